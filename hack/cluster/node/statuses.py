"""A pod's status, as a kubelet would report it: pure functions of what is on record."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hack.cluster.node.addresses import LOOPBACK, pod_address
from hack.cluster.node.attempts import Outcome
from hack.cluster.node.restarts import should_restart

_MESSAGE_BYTES, _LOG_MESSAGE_BYTES, _LOG_MESSAGE_LINES = 4096, 2048, 80
_LOST = "The container could not be located when the node came back"


@dataclass(frozen=True)
class AttemptView:
    """One attempt of a container, as read from its records."""

    identifier: str
    number: int
    started_at: float | None
    outcome: Outcome | None
    message: str = ""


@dataclass(frozen=True)
class ContainerView:
    """A container of the pod with its newest attempts, and why it waits, if it does."""

    name: str
    image: str
    latest: AttemptView | None = None
    previous: AttemptView | None = None
    waiting: tuple[str, str] | None = None
    """Reason and message; counts only where no attempt runs."""
    is_ready: bool = True
    """What its readiness probe says; counts only while it runs."""

    @property
    def is_running(self) -> bool:
        """Whether its newest attempt has begun and not ended."""
        attempt = self.latest
        return attempt is not None and attempt.started_at is not None and attempt.outcome is None

    @property
    def exit_code(self) -> int | None:
        """Of the newest attempt; None while there is none that has ended."""
        return self.latest.outcome.exit_code if self.latest and self.latest.outcome else None


@dataclass(frozen=True)
class PodView:
    """Everything that a status is made of."""

    pod: Mapping[str, Any]
    init: Sequence[ContainerView]
    main: Sequence[ContainerView]
    started_at: float
    is_stopped: bool = False
    """Whether no container will run again, whatever the restart policy."""
    verdict: tuple[str, str] | None = None
    """Reason and message of a failure that the node decided, such as DeadlineExceeded."""


def pod_status(view: PodView, now: float) -> dict[str, Any]:
    """The status to report."""
    phase = pod_phase(view)
    reason, message = view.verdict or (None, None)
    address = pod_address(view.pod)
    return {
        "phase": phase,
        "reason": reason,
        "message": message,
        "observedGeneration": view.pod["metadata"].get("generation"),
        "hostIP": LOOPBACK,
        "hostIPs": [{"ip": LOOPBACK}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": timestamp(view.started_at),
        "conditions": _conditions(view, phase, now),
        "initContainerStatuses": [container_status(c, is_init=True) for c in view.init],
        "containerStatuses": [container_status(c, is_init=False) for c in view.main],
    }


def pod_phase(view: PodView) -> str:
    """Pending, Running, Succeeded or Failed."""
    policy = view.pod["spec"].get("restartPolicy", "Always")
    if view.verdict:
        return "Failed"
    if view.is_stopped:
        return "Succeeded" if all(c.exit_code == 0 for c in view.main) else "Failed"
    if not initialized(view):
        codes = [c.exit_code for c in view.init]
        return "Failed" if policy == "Never" and any(codes) else "Pending"
    codes = [c.exit_code for c in view.main]
    if any(code is None and not c.is_running for code, c in zip(codes, view.main, strict=True)):
        return "Pending"
    if any(code is None or should_restart(policy, code) for code in codes):
        return "Running"
    return "Failed" if any(codes) else "Succeeded"


def is_ready(view: PodView) -> bool:
    """Whether the pod may get a Service's connections."""
    is_leaving = bool(view.pod["metadata"].get("deletionTimestamp"))
    return not is_leaving and not _unready(view) and pod_phase(view) == "Running"


def initialized(view: PodView) -> bool:
    """Whether every init container has succeeded."""
    return all(c.exit_code == 0 for c in view.init)


def container_status(container: ContainerView, *, is_init: bool) -> dict[str, Any]:
    """One entry of `containerStatuses`."""
    attempt = container.latest
    done = container.exit_code == 0
    return {
        "name": container.name,
        "image": container.image,
        "imageID": f"process://{container.image}" if attempt else "",
        "containerID": attempt.identifier if attempt else "",
        "restartCount": attempt.number if attempt else 0,
        "started": container.is_running,
        "ready": done if is_init else container.is_running and container.is_ready,
        "state": _state(container),
        "lastState": _last_state(container),
    }


def termination_message(written: bytes, log: bytes, policy: str, exit_code: int) -> str:
    """What the container wrote for its end, or the end of its log where the policy says so."""
    if written or policy != "FallbackToLogsOnError" or exit_code == 0:
        return written[-_MESSAGE_BYTES:].decode(errors="replace")
    lines = log[-_LOG_MESSAGE_BYTES:].decode(errors="replace").splitlines(keepends=True)
    return "".join(lines[-_LOG_MESSAGE_LINES:])


def timestamp(seconds: float) -> str:
    """RFC 3339 in whole seconds, as `metav1.Time` is written."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _state(container: ContainerView) -> dict[str, Any]:
    attempt = container.latest
    if container.is_running and attempt is not None and attempt.started_at is not None:
        return {"running": {"startedAt": timestamp(attempt.started_at)}}
    if container.waiting:
        reason, message = container.waiting
        return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    if attempt is not None and attempt.outcome is not None:
        return {"terminated": _terminated(attempt, attempt.outcome)}
    return {"waiting": {"reason": "ContainerCreating"}}


def _last_state(container: ContainerView) -> dict[str, Any]:
    """The attempt before the state shown."""
    shown = _state(container)
    attempt = container.latest if "waiting" in shown else container.previous
    if attempt is None or attempt.outcome is None:
        return {}
    return {"terminated": _terminated(attempt, attempt.outcome)}


def _terminated(attempt: AttemptView, outcome: Outcome) -> dict[str, Any]:
    began = attempt.started_at if attempt.started_at is not None else outcome.finished_at
    state: dict[str, Any] = {
        "exitCode": outcome.exit_code if outcome.ran else 128,
        "reason": _reason(outcome),
        "startedAt": timestamp(began),
        "finishedAt": timestamp(outcome.finished_at),
        "containerID": attempt.identifier,
    }
    message = _LOST if outcome.is_lost else attempt.message
    return state | ({"message": message} if message else {})


def _reason(outcome: Outcome) -> str:
    if outcome.is_lost:
        return "ContainerStatusUnknown"
    if not outcome.ran:
        return "StartError"
    return "Completed" if outcome.exit_code == 0 else "Error"


def _conditions(view: PodView, phase: str, now: float) -> list[dict[str, Any]]:
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    unready = _unready(view)
    why_unready = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    waiting_init = [c.name for c in view.init if c.exit_code != 0]
    why_uninitialized = (
        "ContainersNotInitialized",
        f"containers with incomplete status: [{' '.join(waiting_init)}]",
    )
    ready = None if not unready and not ended else (ended, "") if ended else why_unready
    begun = any(c.latest for c in (*view.init, *view.main))
    findings: dict[str, tuple[str | None, str] | None] = {
        "PodReadyToStartContainers": None if begun and not ended else (None, ""),
        "Initialized": None if initialized(view) else why_uninitialized,
        "Ready": ready,
        "ContainersReady": ready,
    }
    return [_condition(view, kind, finding, now) for kind, finding in findings.items()]


def _unready(view: PodView) -> list[str]:
    return [c.name for c in view.main if not (c.is_running and c.is_ready)]


def _condition(
    view: PodView, kind: str, finding: tuple[str | None, str] | None, now: float
) -> dict[str, Any]:
    """A condition; without a finding it is true. Its time moves only when its status does."""
    status = "True" if finding is None else "False"
    reason, message = finding or (None, "")
    before = {c["type"]: c for c in view.pod.get("status", {}).get("conditions") or []}.get(kind)
    since = timestamp(now)
    if before is not None and before["status"] == status:
        since = before.get("lastTransitionTime") or since
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message or None,
        "lastProbeTime": None,
        "lastTransitionTime": since,
        "observedGeneration": view.pod["metadata"].get("generation"),
    }
