"""A pass over a run that is over: its time to live, and what it left behind."""

from datetime import datetime
from typing import Final

from tenyson.controller.announcements import Announcement
from tenyson.controller.observed import Child, Job, Observed
from tenyson.controller.plan.model import Plan, children_of, strays
from tenyson.controller.policies import ttl
from tenyson.controller.reasons import Reason
from tenyson.controller.status import Draft, Status

_AGAIN_SECONDS: Final = 10.0
"""Until children are looked at again that are to be deleted: one that has just changed is not."""


def plan(observed: Observed, now: datetime) -> Plan:
    """Returns the job's deletion, or what is still to be done about it."""
    job = observed.job
    left = ttl.seconds_left(job, now)
    is_expired = left is not None and left <= 0
    why_kept = ttl.why_kept(job) if is_expired else ""
    if is_expired and not why_kept:
        return Plan(delete_job=True)
    delete = _children(observed) if is_expired else strays(observed, current=None)
    is_told = bool(job.condition("Expired")) == is_expired
    return Plan(
        status=None if is_told and _is_observed(job) else _status(job, now, why_kept),
        delete=delete,
        announcements=() if is_told or not is_expired else (_announcement(why_kept),),
        requeue_after=(_AGAIN_SECONDS if delete else None) if is_expired else left,
    )


def _children(observed: Observed) -> tuple[Child, ...]:
    return tuple(child for child in children_of(observed) if not child.deleting)


def _is_observed(job: Job) -> bool:
    """Whether the newest edit was noted; whoever waits for that (kstatus) would wait for ever."""
    return bool(job.status.get("observedGeneration", job.generation) == job.generation)


def _status(job: Job, now: datetime, why_kept: str) -> Status:
    draft = Draft(job, now)
    if why_kept:
        draft.set("Expired", True, Reason.TRACKED_IN_GIT, why_kept)
    else:
        draft.drop("Expired")
    return draft.finished()


def _announcement(why_kept: str) -> Announcement:
    return Announcement("Normal", Reason.TRACKED_IN_GIT.word, why_kept)
