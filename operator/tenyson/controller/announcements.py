"""What is worth an Event: a change of phase, a new wait, a retry, a refusal; never a step."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tenyson.controller.outcome import Outcome
from tenyson.controller.reasons import Reason
from tenyson.controller.times import format_up
from tenyson.controller.wording import one_line

Status = dict[str, Any]

_MOST: Final = 1000
"""Longest message of an Event."""
_WAITS: Final = frozenset(
    reason.word
    for reason in (
        Reason.DEPENDENCY_NOT_FOUND, Reason.WAITING_FOR_DEPENDENCY, Reason.WAITING_FOR_PODS,
        Reason.POD_WAITING, Reason.POD_MISSING,
    )
)  # fmt: skip
"""What a job may come to wait for within one phase, told when it begins to."""
_TOLD_ELSEWHERE: Final = frozenset({Reason.BACKING_OFF.word, Reason.PENDING_TOO_LONG.word})
"""By the Event of the attempt that failed, and by that of the run."""
_WARNINGS: Final = frozenset(
    reason.word
    for reason in (
        Reason.POD_WAITING, Reason.POD_MISSING, Reason.POD_LOST, Reason.POD_LEAVING,
        Reason.HANGING, Reason.ACTIVE_TOO_LONG,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Event to post."""

    kind: str
    """Normal or Warning."""
    reason: str
    message: str


def attempt_failed(outcome: Outcome, start: datetime) -> Announcement:
    """Returns the Event of an attempt that failed, and is made again.

    Args:
        outcome: How the attempt ended.
        start: When the next one may start.
    """
    number = outcome.number
    next_one = f"attempt {number + 1} starts at {format_up(start)}"
    message = f"Attempt {number} is over; {next_one}. {outcome.message}"
    return Announcement("Warning", outcome.kind.reason.word, one_line(message, _MOST))


def between(before: Status, after: Status) -> list[Announcement]:
    """Returns the Events for what changed from one status to the next."""
    said = []
    refusal = _condition(after, "Accepted")
    old = _condition(before, "Accepted")
    if refusal.get("status") == "False":
        if (old.get("reason"), old.get("message")) != (refusal["reason"], refusal["message"]):
            message = one_line(refusal["message"], _MOST)
            said.append(Announcement("Warning", refusal["reason"], message))
    elif _is_news(before, after):
        said.append(_phase(after))
    return said


def _is_news(before: Status, after: Status) -> bool:
    reason = _condition(after, "Running").get("reason")
    if reason in _TOLD_ELSEWHERE:
        return False
    if before.get("phase") != after["phase"]:
        return True
    return reason in _WAITS and reason != _condition(before, "Running").get("reason")


def _phase(after: Status) -> Announcement:
    telling = {
        "Succeeded": "Complete", "Failed": "Failed", "Stopped": "Failed",
        "Suspended": "Suspended",
    }  # fmt: skip
    condition = _condition(after, telling.get(after["phase"], "Running"))
    reason = str(condition.get("reason") or after["phase"])
    kind = "Warning" if after["phase"] == "Failed" or reason in _WARNINGS else "Normal"
    return Announcement(kind, reason, one_line(condition.get("message", ""), _MOST))


def _condition(status: Status, kind: str) -> Status:
    for condition in status.get("conditions") or ():
        if condition["type"] == kind:
            return dict(condition)
    return {}
