"""The wanted status, built up during one pass and written once at its end."""

import copy
from datetime import datetime
from typing import Any, Final

from tenyson.controller.observed import Job, Report
from tenyson.controller.outcome import Outcome
from tenyson.controller.phase import phase
from tenyson.controller.policies import running_time
from tenyson.controller.reasons import Reason
from tenyson.controller.status_size import within_limit
from tenyson.controller.times import format_exactly, format_time
from tenyson.controller.wording import one_line

MAX_ATTEMPTS: Final = 10
_ORDER: Final = (
    "Accepted", "Admitted", "Running", "Suspended", "CheckpointAvailable",
    "ProgressDeadlineExceeded", "Complete", "Failed", "Expired", "Reconciling",
    "Stalled",
)  # fmt: skip

Status = dict[str, Any]


class Draft:
    """A status in the making. It starts from the present one, so what is not touched stays."""

    def __init__(self, job: Job, now: datetime) -> None:
        self._job = job
        self._now = now
        self.status: Status = copy.copy(job.status)
        self.status["observedGeneration"] = job.generation
        self.status["runId"] = job.run_id
        self._conditions = {c["type"]: c for c in job.status.get("conditions") or ()}

    def set(self, kind: str, holds: bool, reason: Reason, message: str = "") -> None:
        """Sets a condition; its transition time moves only when it changes sides."""
        status = str(holds)
        present = self._conditions.get(kind, {})
        same = present.get("status") == status
        if kind == "Running" and not holds:
            self._count_running_time()
        self._conditions[kind] = {
            "type": kind,
            "status": status,
            "reason": reason.word,
            "message": one_line(message or reason.sentence),
            "lastTransitionTime": (
                present["lastTransitionTime"] if same else format_time(self._now)
            ),
            "observedGeneration": self._job.generation,
        }

    def _count_running_time(self) -> None:
        """Adds the time since the pods began to run, before that is forgotten."""
        if self._conditions.get("Running", {}).get("status") == "True":
            self.status["activeSeconds"] = round(self.active_seconds(), 1)

    def active_seconds(self) -> float:
        """Returns the running time so far; what the draft has added up is not counted again."""
        shown = {**self.status, "conditions": list(self._conditions.values())}
        return running_time.active_seconds(shown, self._now)

    def count_unseen(self, seconds: float) -> None:
        """Adds the running time of an attempt that no pass has seen running.

        It was shorter than a pass takes, or the controller was away meanwhile.
        """
        is_running = self._conditions.get("Running", {}).get("status") == "True"
        if seconds and not is_running and "node" not in (self.status.get("child") or {}):
            total = float(self.status.get("activeSeconds") or 0.0) + seconds
            self.status["activeSeconds"] = round(total, 1)

    def drop(self, *kinds: str) -> None:
        """Removes conditions."""
        for kind in kinds:
            self._conditions.pop(kind, None)

    def waiting(self, reason: Reason, message: str = "") -> None:
        """Says that work goes on by itself: not running, reconciling, not stalled."""
        self.set("Running", False, reason, message)
        self.set("Reconciling", True, reason, message)
        self.drop("Stalled")

    def running(self, attempt: int, node: str) -> None:
        """Says that the attempt runs."""
        message = Reason.RUNNING.say(attempt=attempt)
        self.set("Running", True, Reason.RUNNING, message)
        self.set("Reconciling", True, Reason.RUNNING, message)
        self.drop("Stalled")
        if node and "child" in self.status:
            self.status["child"] = {**self.status["child"], "node": node}

    def queued(self, queue: str) -> None:
        """Says that a queue holds the run back."""
        message = Reason.QUEUED.say(queue=queue)
        self.set("Admitted", False, Reason.QUEUED, message)
        self.waiting(Reason.QUEUED, message)

    def admitted(self, queue: str) -> None:
        """Says that the queue lets the run go."""
        self.set("Admitted", True, Reason.ADMITTED, Reason.ADMITTED.say(queue=queue))

    def ending(self, reason: Reason, message: str) -> None:
        """Says that the attempt is being ended, and why; the child is deleted after that."""
        child = self.status.get("child") or {}
        self.status["child"] = {**child, "ending": {"reason": reason.word, "message": message}}
        if reason is Reason.SUSPENDING:
            self.set("Suspended", False, reason, message)
        if reason is Reason.HANGING:
            self.set("ProgressDeadlineExceeded", True, reason, message)

    def accepted(self) -> None:
        """Says that nothing is wrong with the spec; whether it goes on must be said beside that."""
        self.set("Accepted", True, Reason.VALID)

    def refused(self, reason: Reason, message: str) -> None:
        """Says that a person must act before the job can start."""
        self.set("Accepted", False, reason, message)
        self.set("Running", False, reason, "Nothing runs: see the condition Accepted.")
        self.set("Stalled", True, reason, message)
        self.drop("Reconciling")

    def stalled(self, reason: Reason, message: str) -> None:
        """Says that the spec is good, and that a person must act all the same."""
        self.set("Running", False, reason, message)
        self.set("Stalled", True, reason, message)
        self.drop("Reconciling")

    def ended(self, kind: str, reason: Reason, message: str = "") -> None:
        """Says that the run is over, as Complete or Failed; neither is ever undone."""
        self.set(kind, True, reason, message)
        self.set("Running", False, reason, f"The run is over: see the condition {kind}.")
        self.drop("Reconciling", "Stalled", "Suspended", "Admitted")
        self.status.pop("nextAttemptTime", None)
        self.status["completionTime"] = format_time(self._now)

    def started(self, attempt: int, child: dict[str, str], pinned: str) -> None:
        """Notes that the attempt was made; progress of an earlier one is not its own."""
        if self.status.get("attempt") != attempt:
            self.status.pop("progress", None)
        self.status.pop("nextAttemptTime", None)
        self.status.setdefault("startTime", format_time(self._now))
        self.status["attempt"] = attempt
        self.status["child"] = {**child, "madeAt": format_time(self._now)}
        self.status.setdefault("retries", {"app": 0, "infra": 0})
        if pinned:
            self.status["pinned"] = pinned

    def retry_at(self, start: datetime, retries: dict[str, int]) -> None:
        """Notes when the next attempt may start, and what it counts against."""
        self.status["retries"] = retries
        self.status["nextAttemptTime"] = format_exactly(start)

    def checkpoint(self, step: int | None, *, kept: bool) -> None:
        """Says which checkpoint there is; None for none so far."""
        if not kept:
            self.set("CheckpointAvailable", False, Reason.NOT_KEPT)
        elif step is not None:
            self.set("CheckpointAvailable", True, Reason.SAVED, Reason.SAVED.say(step=step))
        elif "CheckpointAvailable" not in self._conditions:
            self.set("CheckpointAvailable", False, Reason.NOT_SAVED)

    def record(self, outcome: Outcome) -> None:
        """Adds the attempt to those that have ended."""
        result = outcome.result or {}
        is_own = self.status.get("attempt") == outcome.number
        progress = (self.status.get("progress") or {}) if is_own else {}
        entry = {
            "number": outcome.number,
            "class": outcome.kind.attempt_class,
            "reason": outcome.kind.reason.word,
            "exitCode": outcome.exit_code,
            "node": outcome.node or None,
            "startTime": outcome.started_at or None,
            "endTime": outcome.ended_at or format_time(self._now),
            "resumedFromStep": result.get("resumedFromStep"),
            "reachedStep": result.get("globalStep", progress.get("step")),
        }
        attempts = [*(self.status.get("attempts") or ()), _without_none(entry)]
        self.status["attempts"] = attempts[-MAX_ATTEMPTS:]
        if is_own:
            self._reach(result.get("globalStep") or 0)
        if "child" in self.status:
            child = {k: v for k, v in self.status["child"].items() if k not in ("ending", "node")}
            self.status["child"] = child

    def progress(self, report: Report) -> None:
        """Takes over what the pod pushed."""
        self.status["progress"] = progress_of(report)
        if (report.step or 0) > 0 and "ProgressDeadlineExceeded" in self._conditions:
            self.set("ProgressDeadlineExceeded", False, Reason.PROGRESSING)

    def _reach(self, step: int) -> None:
        """Brings the progress to the last step, which no report may have told."""
        progress = {**(self.status.get("progress") or {})}
        if step <= (progress.get("step") or 0):
            return
        progress["step"] = step
        if total := progress.get("totalSteps"):
            progress["percent"] = min(100, 100 * step // total)
        self.status["progress"] = progress

    def finish_progress(self, step: int | None) -> None:
        """Makes the progress of a completed run whole."""
        progress = {**(self.status.get("progress") or {}), "percent": 100, "etaSeconds": 0}
        if step:
            progress["step"] = step
        self.status["progress"] = progress

    def so_far(self) -> Status:
        """Returns the status as it is by now, for what is decided from it."""
        return {**self.status, "conditions": list(self._conditions.values())}

    def finished(self) -> Status:
        """Returns the status, its phase derived from the conditions, within 32 KiB."""
        ordered = [self._conditions[kind] for kind in _ORDER if kind in self._conditions]
        self.status["conditions"] = ordered
        self.status["phase"] = phase(self._conditions, self.status)
        return within_limit(self.status)


def progress_of(report: Report) -> dict[str, Any]:
    """Returns a report as the status holds it."""
    return _without_none(
        {
            "step": report.step,
            "totalSteps": report.total_steps,
            "percent": report.percent,
            "etaSeconds": report.eta_seconds,
            "metrics": dict(report.metrics) or None,
            "checkpointStep": report.checkpoint_step,
            "steppedAt": format_time(report.stepped_at) if report.stepped_at else None,
            "updatedAt": format_time(report.received_at),
        }
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
