"""The API server of a simulation: objects, versions, and what the watches of each kind tell.

It refuses what the real one refuses: a name that is taken, a delete of another uid, a status
written over one that the writer has not seen.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tenyson.controller.cluster import ApiError
from tenyson.controller.times import format_time

Body = dict[str, Any]
KINDS = ("job", "child", "pod", "service")
_KIND_OF = {"Job": "child", "Service": "service", "TenysonJob": "job", "Pod": "pod"}


class ApiServer:
    """Objects of one namespace, by kind and name."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.version = 1
        self.objects: dict[str, dict[str, Body]] = {kind: {} for kind in KINDS}
        self.log: dict[str, list[tuple[str, Body]]] = {kind: [] for kind in KINDS}
        """All that ever happened to a kind: put or drop, and the object."""

    def put(self, kind: str, body: Body) -> Body:
        """Stores an object, makes it known, and returns it with its new version."""
        body = self._next(body)
        self.objects[kind][body["metadata"]["name"]] = body
        self.log[kind].append(("put", body))
        return body

    def change(self, kind: str, name: str, *, meta: Body | None = None, **changes: Any) -> Body:
        """Stores an object with some of its parts replaced."""
        body = self.objects[kind][name]
        return self.put(kind, {**body, **changes, "metadata": {**body["metadata"], **(meta or {})}})

    def drop(self, kind: str, name: str) -> None:
        """Removes an object for good."""
        self.log[kind].append(("drop", self._next(self.objects[kind].pop(name))))

    def _next(self, body: Body) -> Body:
        self.version += 1
        return {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}

    def as_of(self, kind: str, position: int) -> tuple[list[Body], int]:
        """Returns what a list gave at an earlier moment, and its version."""
        found: dict[str, Body] = {}
        version = 0
        for verb, body in self.log[kind][:position]:
            version = int(body["metadata"]["resourceVersion"])
            if verb == "put":
                found[body["metadata"]["name"]] = body
            else:
                found.pop(body["metadata"]["name"], None)
        return list(found.values()), version

    # What the controller asks for

    def create(self, body: Body) -> Body:
        """Makes an object.

        Raises:
            ApiError: There is one of this name.
        """
        kind, meta = _KIND_OF[body["kind"]], body["metadata"]
        if meta["name"] in self.objects[kind]:
            raise ApiError(409, "AlreadyExists", meta["name"])
        created = {"uid": f"{kind}-{self.version}", "creationTimestamp": format_time(self._now())}
        return self.put(kind, {**body, "metadata": {**meta, **created}, "status": {}})

    def read(self, kind: str, name: str) -> Body:
        """Returns an object.

        Raises:
            ApiError: There is none.
        """
        if name not in self.objects[kind]:
            raise ApiError(404, "NotFound", name)
        return self.objects[kind][name]

    def delete(self, kind: str, name: str, uid: str = "", version: int = 0) -> None:
        """Marks an object as going away.

        Raises:
            ApiError: It is gone, another one has its name, or it is not of this version.
        """
        meta = self.read(kind, name)["metadata"]
        if (uid or meta["uid"], str(version or meta["resourceVersion"])) != (
            meta["uid"],
            meta["resourceVersion"],
        ):
            raise ApiError(409, "Conflict", name)
        if "deletionTimestamp" not in meta:
            self.change(kind, name, meta={"deletionTimestamp": format_time(self._now())})

    def apply_status(self, name: str, uid: str, version: int, status: Body) -> Body:
        """Replaces a TenysonJob's status.

        Raises:
            ApiError: The job has changed since the writer saw it, or is gone.
        """
        meta = self.read("job", name)["metadata"]
        if (meta["uid"], int(meta["resourceVersion"])) != (uid, version):
            raise ApiError(409, "Conflict", name)
        return self.change("job", name, status=status)

    def edit(self, name: str, **spec: Any) -> None:
        """Changes a TenysonJob's spec, as a person does."""
        body = self.objects["job"][name]
        generation = body["metadata"]["generation"] + 1
        self.change("job", name, meta={"generation": generation}, spec={**body["spec"], **spec})
