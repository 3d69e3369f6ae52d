"""What a status that was written tells about times: how long a run took to begin, an attempt ran.

Both are decided from the status before and after a write, so a write that is made again after a
conflict or by the next leader counts once.
"""

from typing import Any

from tenyson.controller.observed import Job
from tenyson.controller.policies.running_time import running_since
from tenyson.controller.times import parse_time, seconds_between

Status = dict[str, Any]


def seconds_to_first_run(before: Job, after: Status) -> float | None:
    """Returns the time from a job's creation until its pods ran; None unless they begin just now.

    Only the first time counts. All waits are in it: for other jobs, a queue, a node, an image.
    """
    since = running_since(after)
    has_run = running_since(before.status) is not None or "activeSeconds" in before.status
    if since is None or has_run or not before.created_at:
        return None
    return max(0.0, (since - parse_time(before.created_at)).total_seconds())


def seconds_of_last_attempt(after: Status) -> float | None:
    """Returns how long the attempt that ended last ran; None where its node did not tell."""
    attempts = after.get("attempts") or [{}]
    return seconds_between(attempts[-1].get("startTime", ""), attempts[-1].get("endTime", ""))
