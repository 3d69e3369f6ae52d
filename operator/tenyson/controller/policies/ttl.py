"""When a finished TenysonJob is deleted (`spec.ttlSecondsAfterFinished`), and when it is not."""

from datetime import datetime

from tenyson.controller import names
from tenyson.controller.observed import Job
from tenyson.controller.reasons import Reason
from tenyson.controller.times import parse_time


def seconds_left(job: Job, now: datetime) -> float | None:
    """Returns the seconds until the job's time is over, 0 or less when it is; None for never."""
    if job.spec is None or job.spec.ttl_seconds_after_finished is None:
        return None
    ended = job.status.get("completionTime")
    if not ended:
        return None
    return job.spec.ttl_seconds_after_finished - (now - parse_time(ended)).total_seconds()


def why_kept(job: Job) -> str:
    """Returns why the job is not deleted though its time is over; empty where it is.

    What a tool has from Git it makes again within minutes. The new TenysonJob would be a new run,
    finish, be deleted, and so on for as long as there are GPUs.
    """
    if not job.tracked_by:
        return ""
    tool = names.TRACKING_MARKS[job.tracked_by]
    return Reason.TRACKED_IN_GIT.say(tool=tool, mark=job.tracked_by)
