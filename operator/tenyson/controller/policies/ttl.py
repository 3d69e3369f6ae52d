"""When a finished TenysonJob is deleted (`spec.ttlSecondsAfterFinished`)."""

from datetime import datetime

from tenyson.controller.observed import Job
from tenyson.controller.times import parse_time


def seconds_left(job: Job, now: datetime) -> float | None:
    """Returns the seconds until the job is to be deleted, 0 or less when due; None for never."""
    if job.spec is None or job.spec.ttl_seconds_after_finished is None:
        return None
    ended = job.status.get("completionTime")
    if not ended:
        return None
    return job.spec.ttl_seconds_after_finished - (now - parse_time(ended)).total_seconds()
