"""What to do next about one TenysonJob, decided from what is there and from nothing else.

`plan` is level-based: it does not know which event woke it, and any pass may be lost, doubled or
cut short after any write. The child is always made before the status that tells of it, an attempt
is recorded in the same write that counts its retry, and why an attempt is ended is written before
its child is deleted; so a status never runs ahead of the cluster, and one that lags is made good
by the next pass.
"""

from datetime import datetime

from tenyson.controller.observed import Observed
from tenyson.controller.plan import after, between, during, over
from tenyson.controller.plan.model import Pass, Plan
from tenyson.controller.plan.refusals import child_refused, name_taken

__all__ = ["Plan", "child_refused", "name_taken", "plan"]


def plan(observed: Observed, now: datetime) -> Plan:
    """Returns what to do about the job now."""
    job = observed.job
    if job.deleting:
        return Plan()  # The garbage collector takes the children.
    if job.ended_as():
        return over.plan(observed, now)
    this = Pass(observed, now)
    if (attempt := this.attempt) is None:
        return between.plan(this)
    if after.has_ended(this, attempt):
        if (child := after.unconfirmed(this, attempt)) is not None:
            return Plan(look_up=(child,))
        return after.plan(this, attempt)
    return during.plan(this, attempt)
