"""Whether the controller ends the current attempt, and what its end then counts as.

The decision is written into the status first and the child deleted after that, so that whoever
comes next knows why the pods went away.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tenyson.contract import ExitCode
from tenyson.controller.observed import Attempt, Observed, Pod
from tenyson.controller.outcome import Kind, Outcome
from tenyson.controller.policies import progress_deadline, running_time, suspend
from tenyson.controller.reasons import Reason
from tenyson.controller.times import parse_time
from tenyson.controller.wording import sentences


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the current attempt is being ended."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class _Moment:
    observed: Observed
    attempt: Attempt
    now: datetime


_KILLED: Final = (137, 143)
"""Exit codes of a process that SIGKILL or SIGTERM ended."""
SUSPENDED: Final = Kind("Suspended", Reason.SUSPENDED)
_COUNTS_AS: Final[dict[str, Kind]] = {
    Reason.SUSPENDING.word: SUSPENDED,
    Reason.STOPPING.word: Kind("Stopped", Reason.STOP_REQUESTED),
    Reason.BUDGET_SPENT.word: Kind("Completed", Reason.BUDGET_REACHED),
    Reason.ACTIVE_TOO_LONG.word: Kind("Stopped", Reason.DEADLINE_EXCEEDED),
    Reason.PENDING_TOO_LONG.word: Kind("Stopped", Reason.PENDING_DEADLINE_EXCEEDED),
    Reason.HANGING.word: Kind("Hang", Reason.PROGRESS_DEADLINE_EXCEEDED),
}
"""PodLost is not here: the pods themselves tell best what became of such an attempt."""


def present(status: dict[str, Any]) -> dict[str, str] | None:
    """Returns the ending that is under way; None when there is none."""
    ending = (status.get("child") or {}).get("ending")
    return dict(ending) if ending else None


def decide(observed: Observed, attempt: Attempt, now: datetime) -> Ending | None:
    """Returns why the attempt must end now, the strongest reason first; None to let it go on."""
    moment = _Moment(observed, attempt, now)
    for check in _CHECKS:
        if (ending := check(moment)) is not None:
            return ending
    return None


def counted(outcome: Outcome, ending: dict[str, str] | None) -> Outcome:
    """Returns the outcome as it counts: what the controller did is nobody's failure.

    An attempt that was done by itself, or that no retry would change, keeps its own outcome.
    """
    kind = _COUNTS_AS.get(ending["reason"]) if ending else None
    if kind is None or ending is None or not outcome.kind.retried:
        return outcome
    if ending["reason"] == Reason.PENDING_TOO_LONG.word:
        return replace(outcome, kind=kind, detail=sentences(ending["message"], outcome.detail))
    return replace(outcome, kind=kind, detail=_what_was_saved(outcome))


def _what_was_saved(outcome: Outcome) -> str:
    step = (outcome.result or {}).get("globalStep")
    if outcome.exit_code == ExitCode.STOPPED and step:
        return f"It saved its state at step {step}."
    if outcome.exit_code in _KILLED:
        return f"It was killed before it had saved (exit code {outcome.exit_code})."
    return outcome.detail


def seconds_to_next(observed: Observed, attempt: Attempt, now: datetime) -> float | None:
    """Returns when a deadline may fall due; None when none can, or the attempt is being ended."""
    spec = observed.job.spec
    if spec is None or present(observed.job.status) is not None:
        return None
    left = [
        _pending_seconds_left(_Moment(observed, attempt, now)),
        progress_deadline.seconds_left(observed, attempt, now),
    ]
    if running_time.running_since(observed.job.status) is not None:
        left.append(running_time.seconds_to_deadline(spec, observed.job.status, now))
        left.append(running_time.seconds_to_budget(spec, observed.job.status, now))
    known = [seconds for seconds in left if seconds is not None]
    # A little later than due, so that the clock is past it for certain.
    return max(0.05, min(known) + 0.05) if known else None


def _stop(moment: _Moment) -> Ending | None:
    wanted = suspend.is_stop_wanted(moment.observed.job)
    return Ending(Reason.STOPPING, Reason.STOPPING.sentence) if wanted else None


def _suspend(moment: _Moment) -> Ending | None:
    wanted = suspend.is_wanted(moment.observed.job)
    return Ending(Reason.SUSPENDING, Reason.SUSPENDING.sentence) if wanted else None


def _budget(moment: _Moment) -> Ending | None:
    job = moment.observed.job
    if job.spec is None:
        return None
    left = running_time.seconds_to_budget(job.spec, job.status, moment.now)
    if left is None or left > 0:
        return None
    spent = running_time.cost(job.spec, running_time.active_seconds(job.status, moment.now)) or {}
    budget = job.spec.budget
    message = Reason.BUDGET_SPENT.say(
        cost=spent.get("amount"), most=budget.max_cost, currency=budget.currency
    )
    return Ending(Reason.BUDGET_SPENT, message)


def _active(moment: _Moment) -> Ending | None:
    job = moment.observed.job
    if job.spec is None:
        return None
    left = running_time.seconds_to_deadline(job.spec, job.status, moment.now)
    if left is None or left > 0:
        return None
    seconds = round(running_time.active_seconds(job.status, moment.now))
    return Ending(Reason.ACTIVE_TOO_LONG, Reason.ACTIVE_TOO_LONG.say(seconds=seconds))


def _pending(moment: _Moment) -> Ending | None:
    left = _pending_seconds_left(moment)
    if left is None or left > 0 or moment.observed.job.spec is None:
        return None
    seconds = round((moment.observed.job.spec.pending_deadline_seconds or 0) - left)
    why = moment.observed.job.condition("Running").get("message", "")
    message = Reason.PENDING_TOO_LONG.say(attempt=moment.attempt.number, seconds=seconds, why=why)
    return Ending(Reason.PENDING_TOO_LONG, message)


def _pending_seconds_left(moment: _Moment) -> float | None:
    """Returns the time left to begin to run; the Running condition says since when it waits."""
    job = moment.observed.job
    if job.spec is None or job.spec.pending_deadline_seconds is None:
        return None
    running = job.condition("Running")
    if running.get("status") != "False" or any(p.phase == "Running" for p in moment.attempt.live):
        return None
    since = [running["lastTransitionTime"]]
    if made := (job.status.get("child") or {}).get("madeAt"):
        since.append(made)
    waited = (moment.now - max(parse_time(time) for time in since)).total_seconds()
    return job.spec.pending_deadline_seconds - waited


def _hang(moment: _Moment) -> Ending | None:
    left = progress_deadline.seconds_left(moment.observed, moment.attempt, moment.now)
    spec = moment.observed.job.spec
    if left is None or left > 0 or spec is None:
        return None
    seconds = round((spec.progress_deadline_seconds or 0) - left)
    message = Reason.HANGING.say(attempt=moment.attempt.number, seconds=seconds)
    return Ending(Reason.HANGING, message)


def _lost_pod(moment: _Moment) -> Ending | None:
    """A run on several nodes cannot go on without one of its pods."""
    job, attempt = moment.observed.job, moment.attempt
    if job.spec is None or job.spec.nodes == 1 or attempt.is_queued or not attempt.live:
        return None
    if any(pod.exit_code for pod in attempt.pods):
        return None  # That one has failed, and the Job controller takes the others away.
    for pod in attempt.pods:
        why = _loss(pod, in_queue=job.spec.queue_name is not None)
        if not why:
            continue
        message = Reason.POD_LOST.say(pod=pod.name, attempt=attempt.number, why=why)
        return Ending(Reason.POD_LOST, message)
    return None


def _loss(pod: Pod, *, in_queue: bool) -> str:
    if pod.gone and pod.exit_code != 0:
        return "it was deleted"
    if not pod.deleting or pod.is_terminal:
        return ""
    if pod.disruption:
        return pod.disruption
    # The queue takes its pods back like this, and its Job's news of that may come later.
    return "" if in_queue else "it is being deleted"


_CHECKS: Final[tuple[Callable[[_Moment], Ending | None], ...]] = (
    _stop,
    _suspend,
    _budget,
    _active,
    _pending,
    _hang,
    _lost_pod,
)
