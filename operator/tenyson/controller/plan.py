"""What to do next about one TenysonJob, decided from what is there and from nothing else.

`plan` is level-based: it does not know which event woke it, and any pass may be lost, doubled or
cut short after any write. The child is always made before the status that tells of it, and an
attempt is recorded in the same write that counts its retry; so a status never runs ahead of the
cluster, and one that lags is made good by the next pass.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tenyson.controller import announcements, manifests, names
from tenyson.controller.announcements import Announcement
from tenyson.controller.observed import (
    Child,
    Observed,
    Pod,
    Reference,
    format_time,
    parse_time,
)
from tenyson.controller.outcome import SUSPENDED, Outcome, outcome_of
from tenyson.controller.policies import (
    adapter,
    config,
    dependencies,
    references,
    retry,
    suspend,
    ttl,
)
from tenyson.controller.policies.check import Answer, Finding
from tenyson.controller.reasons import Reason
from tenyson.controller.resource import Retry
from tenyson.controller.results import final_result
from tenyson.controller.status import Draft, Status, progress_of

SETTLE_SECONDS: Final = 5.0
"""How long a pod's last state may lag behind the end of its Job."""
_CHECKS: Final = (dependencies.find, adapter.find, references.find)
"""Asked in this order before each attempt, after the configuration."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pass is to do, in this order."""

    create: dict[str, Any] | None = None
    """The child to make."""
    delete: Child | None = None
    """The child to delete, its pods first and gracefully."""
    delete_job: bool = False
    """Whether the TenysonJob itself is due for deletion."""
    status: Status | None = None
    """The status to write; None leaves it as it is."""
    announcements: tuple[Announcement, ...] = ()
    """Events to post once the status is written."""
    requeue_after: float | None = None
    """Seconds until it must be looked at again, whatever happens; None: only when woken."""
    look_up: tuple[Reference, ...] = ()
    """Objects to read before planning anew; nothing else is to be done then."""


def child_refused(observed: Observed, now: datetime, message: str) -> Plan:
    """Returns the pass that tells why the API server did not take the child."""
    shown = Reason.CHILD_REFUSED.say(message=message[:2000])
    return _not_made(observed, now, Reason.CHILD_REFUSED, shown, message)


def name_taken(observed: Observed, now: datetime, name: str) -> Plan:
    """Returns the pass that tells that somebody else's Job has the child's name."""
    message = Reason.NAME_TAKEN.say(child=name)
    return _not_made(observed, now, Reason.NAME_TAKEN, message, message)


def _not_made(observed: Observed, now: datetime, reason: Reason, message: str, said: str) -> Plan:
    draft = Draft(observed.job, now)
    draft.accepted()
    draft.waiting(reason, message)
    wanted = draft.finished()
    if wanted == observed.job.status:
        return Plan()
    return Plan(status=wanted, announcements=(Announcement("Warning", reason.word, said[:1000]),))


def plan(observed: Observed, now: datetime) -> Plan:
    """Returns what to do about the job now."""
    job = observed.job
    if job.deleting:
        return Plan()  # The garbage collector takes the children.
    if job.ended_as():
        left = ttl.seconds_left(job, now)
        if left is not None and left <= 0:
            return Plan(delete_job=True)
        return Plan(requeue_after=left)
    return _Pass(observed, now).run()


class _Pass:
    """One pass over a run that has not ended."""

    def __init__(self, observed: Observed, now: datetime) -> None:
        self.observed = observed
        self.job = observed.job
        self.now = now
        self.draft = Draft(observed.job, now)
        self.said: list[Announcement] = []

    def run(self) -> Plan:
        number = self._open_attempt()
        if number is None:
            return self._between_attempts()
        child = next((c for c in self._children() if c.attempt == number), None)
        pods = tuple(pod for pod in self._pods() if pod.attempt == number)
        if self._has_ended(child, pods):
            return self._after(number, child, pods)
        return self._during(number, child, pods)

    # The current attempt

    def _children(self) -> list[Child]:
        return [c for c in self.observed.children if c.job_uid == self.job.uid]

    def _pods(self) -> list[Pod]:
        return [pod for pod in self.observed.pods if pod.run_id == self.job.run_id]

    def _open_attempt(self) -> int | None:
        """Returns the attempt that was made and is not recorded as ended."""
        recorded = max((a["number"] for a in self.job.status.get("attempts") or ()), default=-1)
        made = [child.attempt for child in self._children()]
        if "attempt" in self.job.status:
            made.append(self.job.status["attempt"])
        newest = max(made, default=-1)
        return newest if newest > recorded else None

    def _has_ended(self, child: Child | None, pods: tuple[Pod, ...]) -> bool:
        """Whether nothing of the attempt can run any more, and its last state is known."""
        if any(not pod.is_terminal for pod in pods):
            return False
        if child is None:
            return True
        if child.deleting or not child.ended_as:
            return False
        if pods or not child.ended_at:
            return True
        return (self.now - parse_time(child.ended_at)).total_seconds() >= SETTLE_SECONDS

    def _during(self, number: int, child: Child | None, pods: tuple[Pod, ...]) -> Plan:
        self._adopt(number)
        self.draft.accepted()
        self._show(number, child, pods)
        delete = self._stop(child) if suspend.is_wanted(self.job) else None
        if not suspend.is_wanted(self.job) and not self._is_stopping(child):
            self.draft.drop("Suspended")
        settling = child is not None and bool(child.ended_as)
        due = self._take_progress(number)
        return self._done(delete=delete, requeue_after=1.0 if settling else due)

    def _stop(self, child: Child | None) -> Child | None:
        """Returns the child to delete; one that has ended by itself is left to be recorded."""
        if child is not None and child.ended_as:
            return None
        self.draft.set("Suspended", False, Reason.SUSPENDING)
        self.draft.waiting(Reason.SUSPENDING)
        return None if child is None or child.deleting else child

    def _is_stopping(self, child: Child | None) -> bool:
        return suspend.is_under_way(self.job) and (child is None or child.deleting)

    def _adopt(self, number: int) -> None:
        """Makes good a status write that was lost after the child had been made."""
        spec = self.job.spec
        if self.job.status.get("attempt") == number or spec is None:
            return
        self.draft.started(number, self._child_status(number))

    def _show(self, number: int, child: Child | None, pods: tuple[Pod, ...]) -> None:
        name = names.child_name(self.job.name, number)
        live = next((pod for pod in pods if not pod.is_terminal), None)
        has_stopped = bool(pods) or (child is not None and bool(child.ended_as or child.deleting))
        if live is None and has_stopped:
            self.draft.waiting(Reason.SETTLING, Reason.SETTLING.say(attempt=number))
        elif live is not None and live.phase == "Running":
            self.draft.running(number)
        elif live is not None and live.waiting:
            detail = live.waiting[:1000]
            self.draft.waiting(Reason.POD_WAITING, Reason.POD_WAITING.say(detail=detail))
        else:
            self.draft.waiting(Reason.STARTING, Reason.STARTING.say(child=name))

    def _take_progress(self, number: int) -> float | None:
        """Puts a report into the status when one is due; returns the seconds until it is."""
        report = self.observed.report
        if report is None or report.attempt != number:
            return None
        written = self.job.status.get("progress") or {}
        if written == progress_of(report):
            return None
        if "updatedAt" in written:
            interval = self.observed.defaults.progress_interval_seconds
            left = interval - (self.now - parse_time(written["updatedAt"])).total_seconds()
            if left > 0 and not self._turns():
                return left
        self.draft.progress(report)
        return None

    def _turns(self) -> bool:
        """Whether the status must be written anyway."""
        return self.draft.finished() != self.job.status

    # After an attempt

    def _after(self, number: int, child: Child | None, pods: tuple[Pod, ...]) -> Plan:
        self._adopt(number)
        report = self.observed.report
        if report is not None and report.attempt == number:
            self.draft.progress(report)
        outcome = outcome_of(number, child, pods)
        if suspend.ended_attempt(self.job, child) and not _is_over(outcome):
            outcome = _as_suspended(outcome)
        self.draft.accepted()
        self.draft.record(outcome)
        if outcome.kind.attempt_class == "Completed":
            return self._complete(outcome)
        if outcome.kind.attempt_class == "Suspended":
            return self._suspended()
        return self._failed(outcome)

    def _complete(self, outcome: Outcome) -> Plan:
        result = final_result(self.job, outcome)
        self.draft.status["result"] = result
        self.draft.finish_progress(result.get("globalStep"))
        self.draft.ended("Complete", outcome.kind.reason)
        return self._done(requeue_after=self._ttl())

    def _failed(self, outcome: Outcome) -> Plan:
        verdict = retry.decide(outcome, self.draft.status.get("retries") or {}, self._limits())
        if isinstance(verdict, retry.Over):
            self.draft.status["result"] = final_result(self.job, outcome)
            self.draft.ended("Failed", verdict.reason, verdict.message)
            return self._done(requeue_after=self._ttl())
        self.draft.status["retries"] = verdict.retries
        self.said.append(announcements.attempt_failed(outcome))
        if suspend.is_wanted(self.job):
            return self._suspended()
        start = retry.next_start(self.job.uid, self.draft.status, self._limits()) or self.now
        self._back_off(start, outcome.number, outcome.message)
        return self._done(requeue_after=max(0.0, (start - self.now).total_seconds()))

    def _limits(self) -> Retry:
        return self.job.spec.retry if self.job.spec else Retry()

    def _ttl(self) -> float | None:
        seconds = self.job.spec.ttl_seconds_after_finished if self.job.spec else None
        return None if seconds is None else float(seconds)

    def _back_off(self, start: datetime, last: int, reason: str) -> None:
        # A whole second later than the start itself, so that the message does not change by pass.
        time = format_time(start + timedelta(seconds=1))
        message = Reason.BACKING_OFF.say(
            attempt=last + 1, time=time, last=last, reason=reason.rstrip(".")
        )
        self.draft.waiting(Reason.BACKING_OFF, message)

    # Between attempts

    def _between_attempts(self) -> Plan:
        if finding := config.find(self.observed):
            return self._held(finding)
        if suspend.is_wanted(self.job):
            self.draft.accepted()
            return self._suspended()
        if self.draft.status.get("conditions") and self.job.condition("Suspended"):
            self.draft.drop("Suspended")
        for check in _CHECKS:
            if finding := check(self.observed):
                return self._held(finding)
        self.draft.accepted()
        start = retry.next_start(self.job.uid, self.job.status, self._limits())
        if start is not None and start > self.now:
            return self._wait_until(start)
        if blocking := [pod.name for pod in self._pods() if not pod.is_terminal]:
            message = Reason.WAITING_FOR_PODS.say(pods=", ".join(blocking[:5]))
            self.draft.waiting(Reason.WAITING_FOR_PODS, message)
            return self._done()
        return self._start()

    def _held(self, finding: Finding) -> Plan:
        if finding.answer is Answer.LOOK_UP:
            return Plan(look_up=finding.references)
        if finding.answer is Answer.REFUSE:
            self.draft.refused(finding.reason, finding.message)
            after = references.poll_seconds(self.observed, self.now) if finding.polled else None
            return self._done(requeue_after=after)
        self.draft.accepted()
        if finding.answer is Answer.FAIL:
            self.draft.ended("Failed", finding.reason, finding.message)
            return self._done(requeue_after=self._ttl())
        self.draft.waiting(finding.reason, finding.message)
        return self._done()

    def _suspended(self) -> Plan:
        """Stands still, or, where spec.suspend is false again by now, goes on at once."""
        self.draft.drop("Reconciling", "Stalled")
        if suspend.is_wanted(self.job):
            self.draft.set("Suspended", True, Reason.SUSPENDED)
            self.draft.set("Running", False, Reason.SUSPENDED)
            return self._done()
        self.draft.set("Suspended", False, Reason.RESUMED)
        self.draft.waiting(Reason.RESUMED)
        return self._done(requeue_after=0.0)

    def _wait_until(self, start: datetime) -> Plan:
        last = self.job.status["attempts"][-1]
        if self.job.condition("Running").get("reason") != Reason.BACKING_OFF.word:
            self._back_off(start, last["number"], last["reason"])
        return self._done(requeue_after=(start - self.now).total_seconds())

    def _start(self) -> Plan:
        number = max((a["number"] for a in self.job.status.get("attempts") or ()), default=-1) + 1
        name = names.child_name(self.job.name, number)
        if any(child.name == name for child in self.observed.children):
            self.draft.waiting(Reason.NAME_TAKEN, Reason.NAME_TAKEN.say(child=name))
            return self._done()
        found = adapter.resolve(self.observed)
        spec = self.job.spec
        assert spec is not None  # config.find has refused it
        assert not isinstance(found, str)  # adapter.find has refused it
        child = manifests.child_job(self.job, spec, number, found, self.observed.defaults)
        self.draft.started(number, self._child_status(number))
        self.draft.waiting(Reason.STARTING, Reason.STARTING.say(child=name))
        return self._done(create=child)

    def _child_status(self, number: int) -> dict[str, str]:
        spec = self.job.spec
        found = adapter.resolve(self.observed)
        status = {"job": names.child_name(self.job.name, number)}
        if spec is not None:
            status["configHash"] = manifests.config_hash(spec)
        if isinstance(found, adapter.Adapter):
            status["adapterPath"] = found.path
            if found.sha256:
                status["adapterSha256"] = found.sha256
        return status

    def _done(
        self,
        *,
        create: dict[str, Any] | None = None,
        delete: Child | None = None,
        requeue_after: float | None = None,
    ) -> Plan:
        wanted = self.draft.finished()
        changed = wanted != self.job.status
        said = (*self.said, *announcements.between(self.job.status, wanted)) if changed else ()
        return Plan(
            create=create,
            delete=delete,
            status=wanted if changed else None,
            announcements=said,
            requeue_after=requeue_after,
        )


def _is_over(outcome: Outcome) -> bool:
    """Whether the attempt ended in a way that a suspension does not undo."""
    return not outcome.kind.retried


def _as_suspended(outcome: Outcome) -> Outcome:
    return Outcome(
        outcome.number, SUSPENDED, outcome.detail, outcome.exit_code,
        outcome.node, outcome.started_at, outcome.ended_at, outcome.result,
    )  # fmt: skip
