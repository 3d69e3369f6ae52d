"""Passes that tell why the API server did not take what was to be created."""

from datetime import datetime

from tenyson.controller.announcements import Announcement
from tenyson.controller.observed import Observed
from tenyson.controller.plan.model import Plan
from tenyson.controller.reasons import Reason
from tenyson.controller.status import Draft
from tenyson.controller.wording import one_line


def child_refused(observed: Observed, now: datetime, message: str, *, final: bool) -> Plan:
    """Returns the pass that tells why the API server did not take the child.

    Args:
        observed: What the pass saw.
        now: The time.
        message: What the API server said.
        final: Whether only a person can change that; a quota, say, frees by itself.
    """
    reason = Reason.CHILD_INVALID if final else Reason.CHILD_REFUSED
    return _not_made(observed, now, reason, reason.say(message=message[:2000]), final=final)


def name_taken(observed: Observed, now: datetime, kind: str, name: str) -> Plan:
    """Returns the pass that tells that somebody else's object has the name of ours."""
    shown = Reason.NAME_TAKEN.say(kind=kind, child=name)
    return _not_made(observed, now, Reason.NAME_TAKEN, shown, final=True)


def _not_made(
    observed: Observed, now: datetime, reason: Reason, message: str, *, final: bool
) -> Plan:
    draft = Draft(observed.job, now)
    draft.accepted()
    if final:
        draft.stalled(reason, message)
    else:
        draft.waiting(reason, message)
    wanted = draft.finished()
    if wanted == observed.job.status:
        return Plan()
    said = Announcement("Warning", reason.word, one_line(message, 1000))
    return Plan(status=wanted, announcements=(said,))
