"""A pass over an attempt that has been made and has not ended."""

from typing import Final

from tenyson.controller import names
from tenyson.controller.observed import Attempt, Child, Reference
from tenyson.controller.phase import is_detail
from tenyson.controller.plan.model import Pass, Plan
from tenyson.controller.policies import ending, retry, suspend
from tenyson.controller.reasons import Reason
from tenyson.controller.status import progress_of
from tenyson.controller.times import parse_time

_PODLESS_SECONDS: Final = 15.0
"""How long a child may be without a pod before its Events are asked why."""
_PODLESS_MOST_SECONDS: Final = 300.0
"""Longest wait until they are asked again."""


def plan(this: Pass, attempt: Attempt) -> Plan:
    """Returns what to do while the attempt goes on: show it, or end it."""
    adopt(this, attempt)
    this.draft.accepted()
    if lookup := _why_podless(this, attempt):
        return Plan(look_up=(lookup,))
    _show(this, attempt)
    delete = _end(this, attempt)
    due = _take_progress(this, attempt.number)
    settling = 1.0 if attempt.child is not None and attempt.child.ended_as else None
    podless = _podless_seconds(this, attempt)
    deadline = ending.seconds_to_next(this.as_drafted(), attempt, this.now)
    waits = [w for w in (due, settling, podless, deadline) if w is not None]
    return this.done(delete=delete, requeue_after=min(waits, default=None))


def adopt(this: Pass, attempt: Attempt) -> None:
    """Makes good a status write that was lost after the child had been made."""
    if this.job.status.get("attempt") != attempt.number:
        this.note_start(attempt.number)


def _end(this: Pass, attempt: Attempt) -> tuple[Child, ...]:
    """Returns the child to delete; one that has ended by itself is left to be recorded."""
    child = attempt.child
    under_way = ending.present(this.job.status) is not None
    if child is not None and child.ended_as:
        return ()
    if not under_way:
        found = ending.decide(this.as_drafted(), attempt, this.now)
        if found is None:
            if not suspend.is_wanted(this.job):
                this.draft.drop("Suspended")
            return ()
        this.draft.ending(found.reason, found.message)
        this.draft.waiting(found.reason, found.message)
    return () if child is None or child.deleting else (child,)


# What people see


def _show(this: Pass, attempt: Attempt) -> None:
    child, live = attempt.child, attempt.live
    queue = this.job.spec.queue_name if this.job.spec else None
    if under_way := ending.present(this.job.status):
        this.draft.waiting(_reason(under_way["reason"]), under_way["message"])
        return
    if queue is not None and attempt.is_queued:
        this.draft.queued(queue)
        return
    if queue is not None and child is not None:
        this.draft.admitted(queue)
    has_stopped = bool(attempt.pods) or (
        child is not None and bool(child.ended_as or child.deleting)
    )
    if not live and has_stopped:
        # A pod that was going away and is gone has not run again in between.
        if this.job.condition("Running").get("reason") != Reason.POD_LEAVING.word:
            this.draft.waiting(Reason.SETTLING, Reason.SETTLING.say(attempt=attempt.number))
    else:
        _show_pods(this, attempt)


def _show_pods(this: Pass, attempt: Attempt) -> None:
    nodes = this.job.spec.nodes if this.job.spec else 1
    name = names.child_name(this.job.name, attempt.number)
    running = [pod for pod in attempt.pods if pod.phase in ("Running", "Succeeded")]
    leaving = next((pod for pod in attempt.live if pod.deleting), None)
    waiting = next((pod for pod in attempt.live if pod.waiting), None)
    if leaving is not None:
        message = Reason.POD_LEAVING.say(
            pod=leaving.name,
            node=leaving.node or "(none)",
            why=leaving.disruption or "it was deleted",
        )
        this.draft.waiting(Reason.POD_LEAVING, message)
    elif len(running) >= nodes:
        first = min(running, key=lambda pod: pod.index)
        this.draft.running(attempt.number, first.node)
    elif running:
        message = Reason.RUNNING_PARTLY.say(ready=len(running), nodes=nodes, attempt=attempt.number)
        if waiting is not None:
            message = f"{message} Pod {waiting.name} waits: {waiting.waiting[:1000]}"
        this.draft.waiting(Reason.RUNNING_PARTLY, message)
    elif waiting is not None:
        detail = waiting.waiting[:1000]
        this.draft.waiting(Reason.POD_WAITING, Reason.POD_WAITING.say(detail=detail))
    elif detail := _podless_detail(this, attempt):
        this.draft.waiting(Reason.POD_MISSING, Reason.POD_MISSING.say(child=name, detail=detail))
    else:
        this.draft.waiting(Reason.STARTING, Reason.STARTING.say(child=name))


def _reason(word: str) -> Reason:
    return next(reason for reason in Reason if reason.word == word)


# A child that makes no pods: a quota, a limit range, Pod Security


def _is_podless(attempt: Attempt) -> bool:
    child = attempt.child
    return (
        child is not None
        and not attempt.pods
        and not (child.suspended or child.deleting or child.ended_as)
    )


def _event_reference(child: Child) -> Reference:
    return Reference("Event", child.name, child.uid)


def _podless_since(this: Pass, attempt: Attempt) -> float | None:
    """Returns for how many seconds the child has been without a pod; None when it has one."""
    made = (this.job.status.get("child") or {}).get("madeAt")
    if made is None or not _is_podless(attempt):
        return None
    return (this.now - parse_time(made)).total_seconds()


def _podless_seconds(this: Pass, attempt: Attempt) -> float | None:
    """Returns when to ask again: soon at first, then ever more rarely."""
    waited = _podless_since(this, attempt)
    if waited is None:
        return _PODLESS_SECONDS if _is_podless(attempt) else None
    # Few may ask at a time, and of jobs that always asked together always the same one would.
    apart = 0.2 + retry.spread(f"{this.job.uid}/{waited:.0f}")
    return apart * min(max(_PODLESS_SECONDS, waited), _PODLESS_MOST_SECONDS)


def _why_podless(this: Pass, attempt: Attempt) -> Reference | None:
    """Returns the Events to read, once the child has been without a pod for long."""
    child, waited = attempt.child, _podless_since(this, attempt)
    if child is None or waited is None or waited < _PODLESS_SECONDS:
        return None
    reference = _event_reference(child)
    return None if reference in this.observed.references else reference


def _podless_detail(this: Pass, attempt: Attempt) -> str:
    if attempt.child is None:
        return ""
    return this.observed.contents.get(_event_reference(attempt.child), "")[:1000].rstrip(".")


# Progress


def _take_progress(this: Pass, number: int) -> float | None:
    """Puts a report into the status when one is due; returns the seconds until it is."""
    report = this.observed.report
    if report is None or report.attempt != number:
        return None
    written = this.job.status.get("progress") or {}
    if written == progress_of(report):
        return None
    if "updatedAt" in written:
        interval = this.observed.defaults.progress_interval_seconds
        left = interval - (this.now - parse_time(written["updatedAt"])).total_seconds()
        drafted = this.draft.finished()
        if left > 0 and (drafted == this.job.status or is_detail(this.job.status, drafted)):
            return left
    take_report(this, number)
    return None


def take_report(this: Pass, number: int) -> None:
    """Takes over what the attempt's pod pushed last, if it has."""
    report = this.observed.report
    if report is None or report.attempt != number:
        return
    this.draft.progress(report)
    run = this.run
    if report.checkpoint_step is not None and run is not None:
        kept = bool(run.output.uri or run.output.volume_claim)
        this.draft.checkpoint(report.checkpoint_step, kept=kept)
