"""One container of a pod: started, awaited and started again, as its restart policy wants it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hack.cluster.node.addresses import pod_address
from hack.cluster.node.api import ApiStatusError, ApiUnavailableError
from hack.cluster.node.attempts import Attempt, ContainerRecords, Outcome
from hack.cluster.node.context import NodeContext, log
from hack.cluster.node.environment import expand
from hack.cluster.node.errors import NotReadyError, UnknownImageError
from hack.cluster.node.hosts import hosts_mounts
from hack.cluster.node.pod_objects import PodObjects
from hack.cluster.node.probes import Readiness
from hack.cluster.node.restarts import Finished, next_step
from hack.cluster.node.sandbox import Machine, Mount, Sandbox, bwrap_argv
from hack.cluster.node.statuses import AttemptView, ContainerView, termination_message
from hack.cluster.node.volumes import Folder

_RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 3.0)
_POLL_SECONDS = 0.02


class Container:
    """The container's life; what happened lies on disk, so a new agent takes it up again."""

    def __init__(
        self,
        pod: Mapping[str, Any],
        spec: Mapping[str, Any],
        context: NodeContext,
        changed: Callable[[], None],
    ) -> None:
        self.name = str(spec["name"])
        self.spec = spec
        self.records = ContainerRecords(context.pod_folder(pod["metadata"]["uid"]), self.name)
        self.waiting: tuple[str, str] | None = None
        self._pod = pod
        self._context = context
        self._objects = PodObjects(pod, context)
        self._readiness = Readiness(spec, pod_address(pod))
        self._changed = changed
        self._shims: list[subprocess.Popen[bytes]] = []

    def view(self) -> ContainerView:
        """What a status says about it."""
        attempts = self.records.attempts()
        views = [self._attempt_view(attempt) for attempt in attempts[-2:]]
        return ContainerView(
            name=self.name,
            image=str(self.spec.get("image", "")),
            latest=views[-1] if views else None,
            previous=views[-2] if len(views) > 1 else None,
            waiting=self.waiting,
            is_ready=self._readiness.is_ready(attempts[-1].number if attempts else 0),
        )

    def finished(self, policy: str) -> Finished | None:
        """How it ended, if its records say that it will not run again."""
        attempt = self.records.latest()
        outcome = attempt.outcome(time.time()) if attempt else None
        if attempt is None or outcome is None:
            return None
        step = self._next_step(policy, attempt, outcome)
        return step if isinstance(step, Finished) else None

    async def run(self, policy: str, volumes: Mapping[str, Folder]) -> bool:
        """Whether it succeeded, once it will not run again."""
        while True:
            attempt = self.records.latest()
            outcome = await self._ended(attempt) if attempt else None
            if attempt is not None and outcome is not None:
                self._changed()
                step = self._next_step(policy, attempt, outcome)
                if isinstance(step, Finished):
                    return step.succeeded
                await self._back_off(step.delay_seconds)
            await self._start(volumes)

    async def probe(self) -> None:
        """Follow its readiness probe, until cancelled."""
        await self._readiness.follow(self._running_attempt, self._changed)

    async def ended(self) -> None:
        """Return once no attempt of it runs."""
        if attempt := self.records.latest():
            await self._ended(attempt)

    def signal(self, number: int) -> None:
        """Send the signal to its main process, if it runs."""
        if attempt := self.records.latest():
            attempt.signal(number)

    def kill(self) -> None:
        """End all its processes."""
        if attempt := self.records.latest():
            attempt.kill()

    def _running_attempt(self) -> int | None:
        view = self.view()
        return view.latest.number if view.is_running and view.latest else None

    def _next_step(self, policy: str, attempt: Attempt, outcome: Outcome) -> Any:
        ran_seconds = outcome.finished_at - (attempt.started_at or outcome.finished_at)
        return next_step(policy, attempt.number, outcome, ran_seconds, time.time())

    async def _back_off(self, seconds: float) -> None:
        if seconds <= 0:
            return
        pod = self._pod["metadata"]["name"]
        text = f"back-off {seconds:.0f}s restarting failed container={self.name} pod={pod}"
        self._wait_because("CrashLoopBackOff", text)
        await asyncio.sleep(seconds)
        self.waiting = None

    async def _start(self, volumes: Mapping[str, Folder]) -> None:
        """Start the next attempt, and return once its sandbox stands or has failed."""
        argv, env = await self._ready_argv_and_environment()
        attempt = self.records.prepare()
        sandbox = self._sandbox(attempt, argv, env, volumes)
        # No await between here and the start: a cancelled worker must not leave half a start.
        command = bwrap_argv(sandbox, Machine())
        self._shims.append(attempt.start([self._context.bwrap, *command[1:]], env))
        self.waiting = None
        while attempt.started_at is None and attempt.outcome(time.time()) is None:
            await asyncio.sleep(_POLL_SECONDS)
        self._changed()
        text = f"Started container {self.name}"
        await self._context.record_event(self._pod, "Started", text, is_warning=False)

    async def _ready_argv_and_environment(self) -> tuple[list[str], dict[str, str]]:
        """Its command and environment, tried again until nothing is missing."""
        for tries in range(1_000_000):
            try:
                env = await self._objects.environment(self.spec)
                argv = [expand(text, env) for text in self._context.images.argv(self.spec)]
            except UnknownImageError as error:
                await self._fail("ErrImagePull" if tries < 2 else "ImagePullBackOff", error)
            except NotReadyError as error:
                await self._fail(error.reason, error)
            except (ApiStatusError, ApiUnavailableError) as error:
                log.warning("container waits for the apiserver", name=self.name, error=str(error))
            else:
                return argv, env
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
        raise AssertionError("unreachable")

    async def _fail(self, reason: str, error: NotReadyError) -> None:
        is_new = self.waiting != (reason, error.message)
        self._wait_because(reason, error.message)
        if is_new:
            text = f"Error: {error.message}"
            await self._context.record_event(self._pod, "Failed", text, is_warning=True)

    def _wait_because(self, reason: str, message: str) -> None:
        self.waiting = (reason, message)
        self._changed()

    def _sandbox(
        self,
        attempt: Attempt,
        argv: list[str],
        env: Mapping[str, str],
        volumes: Mapping[str, Folder],
    ) -> Sandbox:
        security = self.spec.get("securityContext") or {}
        message_target = self.spec.get("terminationMessagePath") or "/dev/termination-log"
        mounts = [_mount(mount, env, volumes) for mount in self.spec.get("volumeMounts") or []]
        mounts += hosts_mounts(self._pod, self._context.services, attempt.folder)
        return Sandbox(
            argv=argv,
            hostname=env["HOSTNAME"],
            working_dir=self.spec.get("workingDir") or "/",
            scratch=str(attempt.folder),
            mounts=[*mounts, Mount(str(attempt.message_path), message_target)],
            shared=self._context.shared,
            read_only_root=bool(security.get("readOnlyRootFilesystem")),
        )

    async def _ended(self, attempt: Attempt) -> Outcome:
        """How the attempt ended; woken by the kernel when its shim does."""
        while (outcome := attempt.outcome(time.time())) is None:
            shim = attempt.shim()
            if shim is None:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                await _process_end(shim.pid)
        for process in self._shims:
            process.poll()
        return outcome

    def _attempt_view(self, attempt: Attempt) -> AttemptView:
        outcome = attempt.outcome(time.time())
        message = "" if outcome is None else self._message(attempt, outcome)
        return AttemptView(attempt.identifier, attempt.number, attempt.started_at, outcome, message)

    def _message(self, attempt: Attempt, outcome: Outcome) -> str:
        written, log = _tail(attempt.message_path), _tail(attempt.log_path)
        if not outcome.ran:
            return log.decode(errors="replace").strip()
        policy = self.spec.get("terminationMessagePolicy") or "File"
        return termination_message(written, log, policy, outcome.exit_code)


def _mount(
    mount: Mapping[str, Any], env: Mapping[str, str], volumes: Mapping[str, Folder]
) -> Mount:
    folder = volumes[mount["name"]]
    below = mount.get("subPath") or expand(mount.get("subPathExpr") or "", env)
    source = folder.path / below if below else folder.path
    if below and not folder.read_only and not source.exists():
        source.mkdir(parents=True)
    read_only = folder.read_only or bool(mount.get("readOnly"))
    return Mount(str(source), mount["mountPath"], read_only)


def _tail(path: Path, limit: int = 4096) -> bytes:
    """The last bytes of a file; nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - limit))
            return file.read()
    except FileNotFoundError:
        return b""


async def _process_end(pid: int) -> None:
    """Return when the process ends; at once where it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
