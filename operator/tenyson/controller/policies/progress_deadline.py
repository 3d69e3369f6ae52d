"""Whether an attempt hangs: it has reported, and then done no step for too long.

An attempt that never reported is left alone: a network policy that keeps reports away must not
kill every run of a cluster. Nor does the time count in which nobody listened.
"""

from datetime import datetime

from tenyson.controller.observed import Attempt, Observed
from tenyson.controller.policies import running_time
from tenyson.controller.times import parse_time


def seconds_left(observed: Observed, attempt: Attempt, now: datetime) -> float | None:
    """Returns the time until the attempt counts as hanging; None where that cannot be told."""
    spec = observed.job.spec
    if spec is None or spec.progress_deadline_seconds is None:
        return None
    last = _last_step(observed, attempt)
    running = running_time.running_since(observed.job.status)
    if last is None or running is None or observed.listening_since is None:
        return None
    since = max(last, running, observed.listening_since)
    return spec.progress_deadline_seconds - (now - since).total_seconds()


def _last_step(observed: Observed, attempt: Attempt) -> datetime | None:
    report = observed.report
    if report is not None and report.attempt == attempt.number:
        return report.stepped_at or report.received_at
    if observed.job.status.get("attempt") != attempt.number:
        return None
    stepped = (observed.job.status.get("progress") or {}).get("steppedAt")
    return parse_time(stepped) if stepped else None
