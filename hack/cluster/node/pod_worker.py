"""One pod on this node, from the moment it is bound until its object is deleted."""

from __future__ import annotations

import asyncio
import datetime
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hack.cluster.node.api import ApiStatusError, ApiUnavailableError
from hack.cluster.node.attempts import Attempt
from hack.cluster.node.container import Container
from hack.cluster.node.context import NodeContext, log
from hack.cluster.node.pod_volumes import PodVolumes
from hack.cluster.node.status_writer import StatusWriter
from hack.cluster.node.statuses import PodView, is_ready

Pod = Mapping[str, Any]

_DEADLINE = "DeadlineExceeded"
_DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True)
class Stop:
    """Why a pod's containers are to end before they are done."""

    grace_seconds: float
    verdict: tuple[str, str] | None = None


class PodWorker:
    """Carries a pod through its life; an agent that starts again begins it anew on its records."""

    def __init__(self, pod: Pod, context: NodeContext) -> None:
        self.pod = pod
        self.folder = context.pod_folder(pod["metadata"]["uid"])
        self._context = context
        self._volumes = PodVolumes(pod, self.folder, context)
        self._writer = StatusWriter(context.api, self._path(), self.view)
        self._policy = str(pod["spec"].get("restartPolicy", "Always"))
        self._init = self._containers("initContainers")
        self._main = self._containers("containers")
        self._updated = asyncio.Event()
        self._is_gone = False
        self._is_stopped = pod["status"].get("phase") in ("Succeeded", "Failed")
        self._verdict = _past_verdict(pod)
        self._started_at = _seconds(pod["status"].get("startTime")) or time.time()

    def update(self, pod: Pod) -> None:
        """Take in a newer version of the object."""
        self.pod = pod
        self._updated.set()

    def forget(self) -> None:
        """The object is gone: end what runs, at once."""
        self._is_gone = True
        self._updated.set()

    def successor(self) -> PodWorker:
        """A worker that takes the pod up where its records stand."""
        worker = PodWorker(self.pod, self._context)
        worker._is_gone = self._is_gone
        return worker

    def attempts(self, container: str) -> list[Attempt]:
        """The attempts of a container, for its logs."""
        found = [c for c in (*self._init, *self._main) if c.name == container]
        return found[0].records.attempts() if found else []

    def is_done(self, container: str) -> bool:
        """Whether nothing more will be written to the container's newest log."""
        attempts = self.attempts(container)
        return not attempts or attempts[-1].outcome(time.time()) is not None

    def view(self) -> PodView:
        """What the pod's status is made of."""
        return PodView(
            pod=self.pod,
            init=[container.view() for container in self._init],
            main=[container.view() for container in self._main],
            started_at=self._started_at,
            is_stopped=self._is_stopped,
            verdict=self._verdict,
        )

    def is_ready(self) -> bool:
        """Whether the pod may get a Service's connections."""
        return is_ready(self.view())

    async def run(self) -> None:
        """Run the pod to its end; return once its object is gone and nothing of it is left."""
        self._declare_lost_containers()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        writing = asyncio.create_task(self._writer.run())
        try:
            if not self._is_stopped:  # else the apiserver has its last status already
                await self._live_until_stopped()
                self._writer.write()
            await self._until(lambda: bool(self.pod["metadata"].get("deletionTimestamp")))
            await self._writer.flushed(lambda: self._is_gone)
            await self._delete_object()
            await self._until(lambda: False)  # finalizers may hold it for a while
        finally:
            writing.cancel()

    async def _live_until_stopped(self) -> None:
        living = asyncio.create_task(self._live())
        stopping = asyncio.create_task(self._stop_wanted())
        await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            stopping.cancel()
            living.result()
            return
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        stop = stopping.result()
        await self._terminate(stop.grace_seconds)
        self._verdict, self._is_stopped = stop.verdict, True

    async def _live(self) -> None:
        """Run the containers as the restart policy wants it, until none will run again."""
        self._writer.write()
        if self._all_finished():
            return
        if unsupported := unsupported_features(self.pod):
            self._verdict = ("NotSupported", f"this node does not know {', '.join(unsupported)}")
            return
        volumes = await self._volumes.made(self._wait_for_volumes)
        aside = [self._volumes.refresh_tokens(), *(container.probe() for container in self._main)]
        tasks = [asyncio.create_task(work) for work in aside]
        try:
            init_policy = "OnFailure" if self._policy == "Always" else self._policy
            for container in self._init:
                if not await container.run(init_policy, volumes):
                    return
            async with asyncio.TaskGroup() as group:
                for container in self._main:
                    group.create_task(container.run(self._policy, volumes))
        finally:
            for task in tasks:
                task.cancel()

    def _all_finished(self) -> bool:
        return all(container.finished(self._policy) for container in self._main)

    def _wait_for_volumes(self) -> None:
        for container in (*self._init, *self._main):
            container.waiting = ("ContainerCreating", "")
        self._writer.write()

    async def _stop_wanted(self) -> Stop:
        """Return when the pod is to be stopped: deleted, gone, or past its deadline."""
        while True:
            self._updated.clear()
            if self._is_gone:
                return Stop(grace_seconds=0.0)
            if self.pod["metadata"].get("deletionTimestamp"):
                return Stop(self._deletion_grace_seconds())
            remaining = self._deadline_seconds()
            if remaining is not None and remaining <= 0:
                grace = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
                return Stop(grace, (_DEADLINE, _DEADLINE_MESSAGE))
            await self._updated_within(remaining)

    def _deadline_seconds(self) -> float | None:
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        return None if limit is None else self._started_at + float(limit) - time.time()

    def _deletion_grace_seconds(self) -> float:
        return float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)

    async def _updated_within(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._updated.wait(), seconds)
        except TimeoutError:
            return

    async def _terminate(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL when the grace is over; a later, shorter grace counts."""
        containers = (*self._init, *self._main)
        began = time.monotonic()
        for container in containers:
            container.signal(signal.SIGTERM)
        ended = asyncio.gather(*(container.ended() for container in containers))
        while not ended.done():
            if self._is_gone:
                grace_seconds = 0.0
            elif self.pod["metadata"].get("deletionTimestamp"):
                grace_seconds = min(grace_seconds, self._deletion_grace_seconds())
            remaining = began + grace_seconds - time.monotonic()
            if remaining <= 0:
                break
            self._updated.clear()
            updated = asyncio.create_task(self._updated.wait())
            either: set[asyncio.Future[Any]] = {ended, updated}
            await asyncio.wait(either, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            updated.cancel()
        while not ended.done():
            for container in containers:
                container.kill()
            await asyncio.wait({ended}, timeout=0.1)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds, or the object is gone."""
        while not (self._is_gone or condition()):
            self._updated.clear()
            await self._updated.wait()

    async def _delete_object(self) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": self.pod["metadata"]["uid"]},
        }
        while not self._is_gone:
            try:
                await self._context.api.delete(self._path(), options)
            except ApiUnavailableError:
                await asyncio.sleep(0.5)
            except ApiStatusError as error:
                log.warning("pod not deleted", pod=self._path(), error=str(error))
                return
            else:
                return

    def _declare_lost_containers(self) -> None:
        """A pod that ran here, of which no record is left, has lost its containers."""
        if self._is_stopped or self.folder.exists():
            return
        statuses = self.pod["status"].get("containerStatuses") or []
        ran = {status["name"] for status in statuses if "waiting" not in status.get("state", {})}
        for container in self._main:
            if container.name in ran:
                container.records.prepare().declare_lost(time.time())

    def _containers(self, field: str) -> list[Container]:
        specs = self.pod["spec"].get(field) or []
        return [Container(self.pod, spec, self._context, self._writer.write) for spec in specs]

    def _path(self) -> str:
        metadata = self.pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def unsupported_features(pod: Pod) -> list[str]:
    """What the pod asks for that this node cannot give, and that it would miss."""
    spec = pod["spec"]
    sidecars = [c["name"] for c in spec.get("initContainers") or [] if c.get("restartPolicy")]
    hooks = [c["name"] for c in spec["containers"] if c.get("lifecycle")]
    named = [f"sidecar containers ({name})" for name in sidecars]
    return named + [f"lifecycle hooks ({name})" for name in hooks]


def _past_verdict(pod: Pod) -> tuple[str, str] | None:
    """A failure that the node decided before the agent was started again."""
    status = pod["status"]
    if status.get("phase") == "Failed" and status.get("reason"):
        return status["reason"], status.get("message", "")
    return None


def _seconds(timestamp: str | None) -> float | None:
    return datetime.datetime.fromisoformat(timestamp).timestamp() if timestamp else None
