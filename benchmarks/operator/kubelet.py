"""The kubelet, played: pods run and end because the load says so."""

import asyncio
from collections.abc import Iterable

from benchmarks.operator.client import CONNECTIONS, Client, Object
from hack import played_pods

NODE = "played"


async def join(client: Client) -> None:
    """Adds the node that is played. The scheduler then looks at every waiting pod again."""
    await client.call("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})


async def pods_of(client: Client, namespace: str) -> list[Object]:
    """Returns the pods of a namespace."""
    return [pod async for pod in client.items(f"/api/v1/namespaces/{namespace}/pods")]


async def run(client: Client, pod: Object) -> None:
    """Binds a pod to the node that is played, and lets it run."""
    path = played_pods.path_of(pod)
    await client.call("POST", f"{path}/binding", played_pods.binding(pod, NODE))
    await client.merge(f"{path}/status", played_pods.running())


async def succeed(client: Client, pod: Object, message: str) -> None:
    """Ends a pod's container well, with a termination message."""
    await client.merge(f"{played_pods.path_of(pod)}/status", played_pods.ended(0, message))


async def succeed_all(client: Client, pods: Iterable[Object], message: str) -> None:
    """Ends many pods well, over some connections."""
    left = iter(pods)

    async def sender() -> None:
        for pod in left:
            await succeed(client, pod, message)

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
