"""The runtimes that are known, those of namespaces and those of the cluster."""

from collections.abc import Iterable

from tenyson.controller.observed import Object, Runtime
from tenyson.controller.reading import read_runtime
from tenyson.controller.versions import Id, is_older


class Runtimes:
    """TenysonRuntimes and ClusterTenysonRuntimes; the namespace of the latter is empty."""

    def __init__(self) -> None:
        self._found: dict[Id, Runtime] = {}
        self.hidden = False
        """Whether the controller has no right to read ClusterTenysonRuntimes."""

    def put(self, body: Object) -> Id | None:
        """Takes up a runtime; returns its place where pods made with it would be others now."""
        runtime = read_runtime(body)
        at = runtime.namespace, runtime.name
        known = self._found.get(at)
        if known is not None and is_older(body["metadata"], known):
            return None
        self._found[at] = runtime
        return at if known is None or known.raw != runtime.raw else None

    def drop(self, at: Id, uid: str = "") -> bool:
        """Whether a runtime was known, which is forgotten; a new one of the same name stays."""
        known = self._found.get(at)
        if known is None or (uid and known.uid != uid):
            return False
        del self._found[at]
        return True

    def first(self, places: Iterable[Id]) -> Runtime | None:
        """Returns the first of these that there is."""
        return next((self._found[at] for at in places if at in self._found), None)

    def known(self, *, of_cluster: bool) -> dict[Id, tuple[str, int]]:
        """Returns uid and version of the cluster's own, or of those of all namespaces."""
        return {
            at: (found.uid, found.resource_version)
            for at, found in self._found.items()
            if (at[0] == "") is of_cluster
        }
