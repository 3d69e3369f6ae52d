"""The pass that records an attempt that has ended, and decides what follows."""

from typing import Any, Final

from tenyson.controller import announcements, names
from tenyson.controller.observed import Attempt, Reference
from tenyson.controller.outcome import Outcome, outcome_of
from tenyson.controller.plan import during, standing
from tenyson.controller.plan.model import Pass, Plan
from tenyson.controller.policies import ending, retry, suspend
from tenyson.controller.reasons import Reason
from tenyson.controller.resource.run import Output
from tenyson.controller.results import final_result
from tenyson.controller.run_spec import DEFAULT_RETRY, Limits

SETTLE_SECONDS: Final = 5.0
"""How long a pod's last state may lag behind the end of its Job."""


def has_ended(this: Pass, attempt: Attempt) -> bool:
    """Whether nothing of the attempt can run any more, and its last state is known."""
    child = attempt.child
    if attempt.live:
        return False
    if child is None:
        return True
    if child.deleting or not child.ended_as:
        return False
    if child.seen_ended is None or _is_explained(this, attempt):
        return True
    return (this.now - child.seen_ended).total_seconds() >= SETTLE_SECONDS


def unconfirmed(this: Pass, attempt: Attempt) -> Reference | None:
    """Returns the child to read before an attempt counts as gone with it; None if that is sure.

    The watches of jobs, children and pods do not keep step: a replica that has just begun to lead
    may know of the attempt, and not yet of its child.
    """
    name = names.child_name(this.job.name, attempt.number)
    reference = Reference("Job", name, this.job.run_id)
    if attempt.child is not None or reference in this.observed.references:
        return None
    return reference


def _is_explained(this: Pass, attempt: Attempt) -> bool:
    """Whether the pods that are known tell how the attempt ended."""
    nodes = this.job.spec.nodes if this.job.spec else 1
    if attempt.child is not None and attempt.child.ended_as == "Complete":
        return any(pod.exit_code == 0 and pod.index == 0 for pod in attempt.pods)
    return len(attempt.pods) >= nodes


def plan(this: Pass, attempt: Attempt) -> Plan:
    """Returns the record of the attempt, and the run's end, its suspension or its next attempt."""
    during.adopt(this, attempt)
    during.take_report(this, attempt.number)
    outcome = ending.counted(outcome_of(attempt), ending.present(this.job.status))
    this.draft.accepted()
    _record(this, outcome)
    attempt_class = outcome.kind.attempt_class
    if attempt_class == "Completed":
        return _complete(this, outcome)
    if attempt_class == "Suspended":
        return standing.suspended(this)
    if attempt_class == "Stopped":
        return _stopped(this, outcome)
    return _failed(this, outcome)


def _record(this: Pass, outcome: Outcome) -> None:
    this.draft.count_unseen(outcome.running_seconds or 0.0)
    this.draft.record(outcome)
    this.recorded = outcome.kind.attempt_class
    step = (outcome.result or {}).get("globalStep")
    run = this.run
    has_saved = outcome.exit_code in (0, 73, 75)
    if run is not None and has_saved and step:
        kept = bool(run.output.uri or run.output.volume_claim)
        this.draft.checkpoint(step, kept=kept)


def _complete(this: Pass, outcome: Outcome) -> Plan:
    result = _result(this, outcome)
    this.draft.status["result"] = result
    if outcome.kind.reason is Reason.SUCCEEDED:
        this.draft.finish_progress(result.get("globalStep"))
    return standing.ended(this, "Complete", outcome.kind.reason)


def _stopped(this: Pass, outcome: Outcome) -> Plan:
    """Ends the run as spec.stop or a deadline asked."""
    this.draft.status["result"] = _result(this, outcome)
    return standing.ended(this, "Failed", outcome.kind.reason, outcome.message)


def _failed(this: Pass, outcome: Outcome) -> Plan:
    limits = _limits(this)
    verdict = retry.decide(outcome, this.draft.status.get("retries") or {}, limits)
    if isinstance(verdict, retry.Over):
        this.draft.status["result"] = _result(this, outcome)
        return standing.ended(this, "Failed", verdict.reason, verdict.message)
    start = retry.next_start(this.job.uid, verdict.retries, limits, this.now)
    this.said.append(announcements.attempt_failed(outcome, start))
    this.draft.retry_at(start, verdict.retries)
    if suspend.is_wanted(this.job):
        return standing.suspended(this)
    return standing.backing_off(this, start, outcome.number, outcome.message)


def _result(this: Pass, outcome: Outcome) -> dict[str, Any]:
    run = this.run
    output = run.output if run is not None else Output()
    return final_result(this.job, outcome, output, standing.cost(this))


def _limits(this: Pass) -> Limits:
    run = this.run
    return run.retry if run is not None else Limits(**DEFAULT_RETRY)
