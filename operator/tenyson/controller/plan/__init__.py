"""What to do next about one TenysonJob, decided from what is there and from nothing else.

`plan` is level-based: it does not know which event woke it, and any pass may be lost, doubled or
cut short after any write. The child is always made before the status that tells of it, an attempt
is recorded in the same write that counts its retry, and why an attempt is ended is written before
its child is deleted; so a status never runs ahead of the cluster, and one that lags is made good
by the next pass.
"""

from datetime import datetime

from tenyson.controller.observed import Observed
from tenyson.controller.plan import after, between, during
from tenyson.controller.plan.model import Pass, Plan, strays
from tenyson.controller.plan.refusals import child_refused, name_taken
from tenyson.controller.policies import ttl

__all__ = ["Plan", "child_refused", "name_taken", "plan"]


def plan(observed: Observed, now: datetime) -> Plan:
    """Returns what to do about the job now."""
    job = observed.job
    if job.deleting:
        return Plan()  # The garbage collector takes the children.
    if job.ended_as():
        return _over(observed, now)
    this = Pass(observed, now)
    if (attempt := this.attempt) is None:
        return between.plan(this)
    if after.has_ended(this, attempt):
        if (child := after.unconfirmed(this, attempt)) is not None:
            return Plan(look_up=(child,))
        return after.plan(this, attempt)
    return during.plan(this, attempt)


def _over(observed: Observed, now: datetime) -> Plan:
    job = observed.job
    left = ttl.seconds_left(job, now)
    if left is not None and left <= 0:
        return Plan(delete_job=True)
    # Whoever waits for an edit to be observed (kstatus) would otherwise wait for ever.
    is_observed = job.status.get("observedGeneration", job.generation) == job.generation
    status = None if is_observed else {**job.status, "observedGeneration": job.generation}
    return Plan(status=status, delete=strays(observed, current=None), requeue_after=left)
