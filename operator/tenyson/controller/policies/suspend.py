"""What `spec.suspend` means for the current attempt."""

from tenyson.controller.observed import Child, Job
from tenyson.controller.reasons import Reason


def is_wanted(job: Job) -> bool:
    """Whether the run is to stand still."""
    return job.spec is not None and job.spec.suspend


def is_under_way(job: Job) -> bool:
    """Whether the current attempt was told to stop, though spec.suspend may be false again."""
    return job.condition("Suspended").get("reason") == Reason.SUSPENDING.word


def ended_attempt(job: Job, child: Child | None) -> bool:
    """Whether the end of the current attempt was the suspension's doing.

    A child that ended by itself in the same moment keeps its own outcome.
    """
    asked = is_wanted(job) or is_under_way(job)
    return asked and (child is None or not child.ended_as)
