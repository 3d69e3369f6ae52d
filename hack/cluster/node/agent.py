"""The node agent: keeps the Node and its Lease, and gives each pod bound to it a worker."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hack.cluster.node import REGISTERED
from hack.cluster.node.api import STRATEGIC_MERGE, ApiStatusError, ApiUnavailableError
from hack.cluster.node.attempts import kill_pod
from hack.cluster.node.context import NodeContext, log
from hack.cluster.node.logs import LogServer, TlsFiles
from hack.cluster.node.pod_worker import PodWorker
from hack.cluster.node.registration import (
    lease_object,
    micro_timestamp,
    node_object,
    node_status,
)
from hack.cluster.node.service_proxy import ServiceProxy

_VERSION = "v1.34.4+process"
_RETRY_SECONDS = 0.5
_STATUS_SECONDS = 60.0
_FAILED_WORKER_SECONDS = 1.0


@dataclass(frozen=True)
class NodeIdentity:
    """What the cluster is told about the node."""

    labels: Mapping[str, str]
    capacity: Mapping[str, str]
    lease_seconds: int


class Agent:
    """One node; run it until it is cancelled. Its containers stay and wait for the next agent."""

    def __init__(self, context: NodeContext, identity: NodeIdentity, tls: TlsFiles) -> None:
        self._context = context
        self._identity = identity
        self._logs = LogServer(self._find_worker, tls)
        self._services = ServiceProxy(context, self._ready_pods)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    async def run(self) -> None:
        """Serve the cluster until cancelled."""
        self._port = await self._logs.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_alive())
                group.create_task(self._follow_pods())
                group.create_task(self._services.run())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._logs.stop()

    async def _keep_alive(self) -> None:
        """Register, then renew the lease; begin anew when it is gone."""
        while True:
            try:
                await self._register()
                await self._renew_lease_while_it_lives()
            except (ApiUnavailableError, ApiStatusError) as error:
                log.warning("node not registered", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _register(self) -> None:
        api, name = self._context.api, self._context.name
        node = await api.find(f"/api/v1/nodes/{name}")
        if node is None:
            node = await api.create("/api/v1/nodes", node_object(name, self._identity.labels))
        await self._write_lease(node["metadata"]["uid"])
        await self._write_status()
        (self._context.state_dir / REGISTERED).touch()
        log.info("node registered", node=name, port=self._port)

    async def _write_lease(self, uid: str) -> None:
        name = self._context.name
        lease = lease_object(name, uid, self._identity.lease_seconds, time.time())
        try:
            await self._context.api.patch(self._lease_path(), lease)
        except ApiStatusError as error:
            if error.status != 404:
                raise
            await self._context.api.create(self._lease_path().rpartition("/")[0], lease)

    async def _write_status(self) -> None:
        path = f"/api/v1/nodes/{self._context.name}/status"
        status = node_status(
            self._context.name, self._identity.capacity, self._port, _VERSION, time.time()
        )
        await self._context.api.patch(path, {"status": status}, STRATEGIC_MERGE)

    async def _renew_lease_while_it_lives(self) -> None:
        status_at = time.monotonic()
        while True:
            await asyncio.sleep(self._identity.lease_seconds / 4)
            renewal = {"spec": {"renewTime": micro_timestamp(time.time())}}
            try:
                await self._context.api.patch(self._lease_path(), renewal)
                if time.monotonic() - status_at > _STATUS_SECONDS:
                    await self._write_status()
                    status_at = time.monotonic()
            except ApiStatusError as error:
                log.warning("lease not renewed", error=str(error))
                return  # the node has been deleted, and its lease with it

    def _lease_path(self) -> str:
        base = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        return f"{base}/{self._context.name}"

    async def _follow_pods(self) -> None:
        """List, then watch; list again whenever the watch breaks."""
        params = {"fieldSelector": f"spec.nodeName={self._context.name}"}
        while True:
            try:
                pods = await self._context.api.get("/api/v1/pods", params)
                await self._take_list(pods["items"])
                version = {"resourceVersion": pods["metadata"]["resourceVersion"]}
                watch = {**params, **version, "timeoutSeconds": "600"}
                async for event in self._context.api.watch("/api/v1/pods", watch):
                    if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                        break  # an error: the version is too old
                    self._take(event["object"], is_deleted=event["type"] == "DELETED")
            except (ApiUnavailableError, ApiStatusError) as error:
                log.warning("watch of pods broken", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _take_list(self, pods: list[dict[str, Any]]) -> None:
        present = {pod["metadata"]["uid"] for pod in pods}
        for uid, worker in list(self._workers.items()):
            if uid not in present:
                worker.forget()
        folder = self._context.state_dir / "pods"
        left = {path.name for path in folder.iterdir()} if folder.exists() else set()
        for uid in left - present - set(self._workers):
            await asyncio.to_thread(self._clean_up, uid)
        for pod in pods:
            self._take(pod, is_deleted=False)

    def _take(self, pod: dict[str, Any], *, is_deleted: bool) -> None:
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if worker is None and not is_deleted:
            worker = self._workers[uid] = PodWorker(pod, self._context)
            task = asyncio.create_task(self._work(uid, worker))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif worker is not None and is_deleted:
            worker.forget()
        elif worker is not None:
            worker.update(pod)

    async def _work(self, uid: str, worker: PodWorker) -> None:
        while True:
            try:
                await worker.run()
                break
            except Exception:  # noqa: BLE001  # one pod's trouble must not end the others
                log.exception("pod worker failed; this is a bug, please report", uid=uid)
            await asyncio.sleep(_FAILED_WORKER_SECONDS)
            worker = self._workers[uid] = worker.successor()
        await asyncio.to_thread(self._clean_up, uid)
        self._workers.pop(uid, None)

    def _clean_up(self, uid: str) -> None:
        folder = self._context.pod_folder(uid)
        kill_pod(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def _ready_pods(
        self, namespace: str, selector: Mapping[str, str]
    ) -> Sequence[Mapping[str, Any]]:
        return [
            worker.pod
            for worker in self._workers.values()
            if worker.pod["metadata"]["namespace"] == namespace
            and selector.items() <= (worker.pod["metadata"].get("labels") or {}).items()
            and worker.is_ready()
        ]

    def _find_worker(self, namespace: str, name: str) -> PodWorker | None:
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                return worker
        return None
