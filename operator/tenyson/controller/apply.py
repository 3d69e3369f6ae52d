"""`python -m tenyson.controller.apply FILE`: applies the chart's manifests on the server.

For objects of our own kinds, which may not be served yet: a CRD that was just made takes a moment.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import yaml

from tenyson.controller import credentials, names
from tenyson.controller.cluster import ApiError, Cluster, Object, resource_path
from tenyson.controller.limiter import Limiter

_APPLY: Final = "application/apply-patch+yaml"
_MANAGER: Final = "tenyson-chart"
_PLURALS: Final = {
    names.KIND: names.PLURAL,
    names.RUNTIME_KIND: names.RUNTIME_PLURAL,
    names.CLUSTER_RUNTIME_KIND: names.CLUSTER_RUNTIME_PLURAL,
}
_PASSES: Final = frozenset({0, 404, 429, 500, 503, 504})
"""No answer, no such kind yet, trouble; 404 is also a namespace that is still to be made."""
_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0

Say = Callable[[str], object]


def main(arguments: Sequence[str], patience_seconds: float = _PATIENCE_SECONDS) -> int:
    """Applies the objects in the files; returns the exit code."""
    objects = [body for path in arguments for body in manifests_in(Path(path))]
    return asyncio.run(_apply_all(objects, patience_seconds, _say))


def manifests_in(path: Path) -> list[Object]:
    """Returns the objects in a YAML file."""
    return [body for body in yaml.safe_load_all(path.read_text(encoding="utf-8")) if body]


def connect() -> Cluster:
    """Returns the API server as this pod's service account sees it."""
    return Cluster(credentials.load(), Limiter(qps=10, burst=20), credentials.load)


def path_of_kind(body: Object) -> str:
    """Returns the path of an object's kind, in the object's namespace.

    Raises:
        KeyError: It is none of our kinds.
    """
    namespace = body["metadata"].get("namespace")
    return resource_path(names.API_VERSION, _PLURALS[body["kind"]], namespace)


async def _apply_all(objects: Sequence[Object], patience_seconds: float, say: Say) -> int:
    cluster = connect()
    until = time.monotonic() + patience_seconds
    try:
        for body in objects:
            await _apply(cluster, body, until)
            say(f"{_shown(body)} is applied.")
    except ApiError as error:
        say(f"{_shown(body)} cannot be applied: {error}")
        return 1
    finally:
        await cluster.close()
    return 0


async def _apply(cluster: Cluster, body: Object, until: float) -> None:
    """Applies an object, over and over until a moment for as long as waiting may help."""
    path = f"{path_of_kind(body)}/{body['metadata']['name']}?fieldManager={_MANAGER}&force=true"
    while True:
        try:
            await cluster.request("PATCH", path, body, _APPLY)
        except ApiError as error:
            if error.status not in _PASSES or time.monotonic() >= until:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


def _shown(body: Object) -> str:
    namespace = body["metadata"].get("namespace")
    where = f"{namespace}/" if namespace else ""
    return f"{body['kind']} {where}{body['metadata']['name']}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  what `kubectl logs` and Helm show


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
