"""The kubelet, played: pods run and end because the load says so."""

import asyncio
import time
from collections.abc import Iterable

from benchmarks.operator.client import CONNECTIONS, Client, Object

CONTAINER = "runner"
NODE = "played"


async def join(client: Client) -> None:
    """Adds the node that is played. The scheduler then looks at every waiting pod again."""
    await client.call("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})


async def pods_of(client: Client, namespace: str) -> list[Object]:
    """Returns the pods of a namespace."""
    return [pod async for pod in client.items(f"/api/v1/namespaces/{namespace}/pods")]


async def run(client: Client, pod: Object) -> None:
    """Binds a pod to the node that is played, and lets it run."""
    path = _path(pod)
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod["metadata"]["name"]},
        "target": {"kind": "Node", "name": NODE},
    }
    await client.call("POST", f"{path}/binding", binding)
    await _set(client, pod, "Running", {"running": {"startedAt": _now()}})


async def succeed(client: Client, pod: Object, message: str) -> None:
    """Ends a pod's container well, with a termination message."""
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "message": message,
        "startedAt": _now(),
        "finishedAt": _now(),
    }
    await _set(client, pod, "Succeeded", {"terminated": ended})


async def succeed_all(client: Client, pods: Iterable[Object], message: str) -> None:
    """Ends many pods well, over some connections."""
    left = iter(pods)

    async def sender() -> None:
        for pod in left:
            await succeed(client, pod, message)

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))


async def _set(client: Client, pod: Object, phase: str, state: Object) -> None:
    container = {
        "name": CONTAINER,
        "image": "i",
        "imageID": "",
        "ready": phase == "Running",
        "restartCount": 0,
        "state": state,
    }
    status = {"phase": phase, "containerStatuses": [container]}
    await client.merge(f"{_path(pod)}/status", {"status": status})


def _path(pod: Object) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
