"""What both a pass after an attempt and one before the next may come to: stand still, or end."""

from datetime import datetime

from tenyson.controller.observed import Job
from tenyson.controller.plan.model import Pass, Plan
from tenyson.controller.policies import running_time, suspend
from tenyson.controller.reasons import Reason
from tenyson.controller.results import result_without_attempt
from tenyson.controller.times import format_up


def ended(this: Pass, kind: str, reason: Reason, message: str = "") -> Plan:
    """Ends the run as Complete or Failed."""
    this.draft.ended(kind, reason, message)
    ttl = this.job.spec.ttl_seconds_after_finished if this.job.spec else None
    return this.done(requeue_after=None if ttl is None else float(ttl))


def ended_between(this: Pass, kind: str, reason: Reason, status: str) -> Plan:
    """Ends a run of which no attempt is there, with the result as far as there is one."""
    this.draft.accepted()
    this.draft.status["result"] = result_without_attempt(this.job, status, cost(this))
    return ended(this, kind, reason, reason.sentence)


def cost(this: Pass) -> dict[str, object] | None:
    """Returns what the run has cost; None where no price is set."""
    if this.job.spec is None:
        return None
    return running_time.cost(this.job.spec, this.draft.active_seconds())


def suspended(this: Pass) -> Plan:
    """Stands still, or, where spec.suspend is false again by now, goes on at once."""
    this.draft.drop("Reconciling", "Stalled", "Admitted")
    this.draft.status.pop("nextAttemptTime", None)
    if suspend.is_wanted(this.job):
        this.draft.set("Suspended", True, Reason.SUSPENDED)
        this.draft.set("Running", False, Reason.SUSPENDED)
        return this.done()
    this.draft.set("Suspended", False, Reason.RESUMED)
    this.draft.waiting(Reason.RESUMED)
    return this.done(requeue_after=0.0)


def backing_off(this: Pass, start: datetime, last: int, reason: str) -> Plan:
    """Waits for the time of the next attempt, and says which and why."""
    message = Reason.BACKING_OFF.say(
        attempt=last + 1, time=format_up(start), last=last, reason=reason.rstrip(".")
    )
    this.draft.waiting(Reason.BACKING_OFF, message)
    return this.done(requeue_after=max(0.0, (start - this.now).total_seconds()))


def spent(this: Pass) -> tuple[str, Reason, str] | None:
    """Returns how a run ends whose running time is used up; None when it is not."""
    job: Job = this.job
    if job.spec is None:
        return None
    left = running_time.seconds_to_budget(job.spec, job.status, this.now)
    if left is not None and left <= 0:
        return "Complete", Reason.BUDGET_REACHED, "budget"
    left = running_time.seconds_to_deadline(job.spec, job.status, this.now)
    if left is not None and left <= 0:
        return "Failed", Reason.DEADLINE_EXCEEDED, "failed"
    return None
