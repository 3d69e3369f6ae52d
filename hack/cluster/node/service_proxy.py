"""Services on this node: what kube-proxy and the cluster's DNS do, for the node's own pods.

Each Service with a selector listens on a loopback address of its own (`addresses`), which the
pods' /etc/hosts names, and hands every connection on to a ready pod of this node. A Service's
`clusterIP` leads nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hack.cluster.node.addresses import pod_address, service_address
from hack.cluster.node.api import ApiStatusError, ApiUnavailableError
from hack.cluster.node.context import NodeContext, log

Pod = Mapping[str, Any]
Service = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""
ReadyPods = Callable[[str, Mapping[str, str]], Sequence[Pod]]
"""The ready pods of a namespace that a selector matches."""

_RETRY_SECONDS: Final = 0.5
_CONNECT_SECONDS: Final = 2.0
_CHUNK: Final = 1 << 16


@dataclass
class _Served:
    """A Service as it is now, and its open ports."""

    service: Service
    listeners: dict[int, asyncio.Server] = field(default_factory=dict)


class ServiceProxy:
    """Listens for every Service that the cluster has, until cancelled."""

    def __init__(self, context: NodeContext, ready_pods: ReadyPods) -> None:
        self._context = context
        self._ready_pods = ready_pods
        self._served: dict[Key, _Served] = {}

    async def run(self) -> None:
        """List, then watch; list again whenever the watch breaks."""
        try:
            while True:
                try:
                    await self._follow()
                except (ApiUnavailableError, ApiStatusError) as error:
                    log.warning("watch of services broken", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            for key in list(self._served):
                self._drop(key)

    async def _follow(self) -> None:
        api, path = self._context.api, "/api/v1/services"
        listed = await api.get(path)
        present = {_key(service): service for service in listed["items"]}
        for key in set(self._served) - set(present):
            self._drop(key)
        for service in present.values():
            await self._take(service)
        version = listed["metadata"]["resourceVersion"]
        async for event in api.watch(path, {"resourceVersion": version, "timeoutSeconds": "600"}):
            if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                return  # an error: the version is too old
            if event["type"] == "DELETED":
                self._drop(_key(event["object"]))
            else:
                await self._take(event["object"])

    async def _take(self, service: Service) -> None:
        """Open the ports that the Service has now, and close those that it had."""
        key = _key(service)
        served = self._served.setdefault(key, _Served(service))
        served.service = service
        ports = tcp_ports(service)
        for number in set(served.listeners) - set(ports):
            served.listeners.pop(number).close()
        address = service_address(str(self._context.state_dir), *key)
        for number in set(ports) - set(served.listeners):
            connected = functools.partial(self._connected, served, number)
            try:
                served.listeners[number] = await asyncio.start_server(connected, address, number)
            except OSError as error:
                log.warning("service not served", service=key, port=number, error=str(error))
        self._context.services[key] = address

    def _drop(self, key: Key) -> None:
        self._context.services.pop(key, None)
        if served := self._served.pop(key, None):
            for listener in served.listeners.values():
                listener.close()

    async def _connected(
        self,
        served: _Served,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Hand one connection on; without a ready pod it is reset, as a refusal would be."""
        backend = await self._backend(served.service, number)
        if backend is None:
            writer.transport.abort()
            return
        await asyncio.gather(_pump(reader, backend[1]), _pump(backend[0], writer))

    async def _backend(
        self, service: Service, number: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to one of the Service's pods; None where none accepts any."""
        port = tcp_ports(service).get(number)
        namespace, selector = service["metadata"]["namespace"], service["spec"].get("selector")
        pods = list(self._ready_pods(namespace, selector or {})) if port else []
        random.shuffle(pods)
        for pod in pods:
            target = target_port(port or {}, pod)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(pod_address(pod), target)
        return None


def tcp_ports(service: Service) -> dict[int, Mapping[str, Any]]:
    """The ports to listen on; none for a Service without a selector."""
    spec = service["spec"]
    ports = (spec.get("ports") or []) if spec.get("selector") else []
    return {int(port["port"]): port for port in ports if port.get("protocol", "TCP") == "TCP"}


def target_port(port: Mapping[str, Any], pod: Pod) -> int:
    """The port of the pod behind a Service's port; its own number where the pod names none such."""
    target = port.get("targetPort") or port["port"]
    for container in pod["spec"]["containers"]:
        for named in container.get("ports") or []:
            if named.get("name") == target:
                return int(named["containerPort"])
    return int(target) if str(target).isdigit() else int(port["port"])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end; an end that broke off ends the other side too."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


def _key(service: Service) -> Key:
    return service["metadata"]["namespace"], service["metadata"]["name"]
