"""What is worth an Event: a change of phase, a retry, a refusal; never a step."""

from dataclasses import dataclass
from typing import Any

from tenyson.controller.outcome import Outcome

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Event to post."""

    kind: str
    """Normal or Warning."""
    reason: str
    message: str


def attempt_failed(outcome: Outcome) -> Announcement:
    """Returns the Event of an attempt that failed and is made again."""
    message = f"Attempt {outcome.number} failed and is retried. {outcome.message}"
    return Announcement("Warning", outcome.kind.reason.word, message[:1000])


def between(before: Status, after: Status) -> list[Announcement]:
    """Returns the Events for what changed from one status to the next."""
    said = []
    refusal = _condition(after, "Accepted")
    old = _condition(before, "Accepted")
    if refusal.get("status") == "False":
        if (old.get("reason"), old.get("message")) != (refusal["reason"], refusal["message"]):
            said.append(Announcement("Warning", refusal["reason"], refusal["message"][:1000]))
    elif before.get("phase") != after["phase"]:
        said.append(_phase(after))
    return said


def _phase(after: Status) -> Announcement:
    telling = {"Succeeded": "Complete", "Failed": "Failed", "Suspended": "Suspended"}
    condition = _condition(after, telling.get(after["phase"], "Running"))
    kind = "Warning" if after["phase"] == "Failed" else "Normal"
    reason = str(condition.get("reason") or after["phase"])
    return Announcement(kind, reason, condition.get("message", "")[:1000])


def _condition(status: Status, kind: str) -> Status:
    for condition in status.get("conditions") or ():
        if condition["type"] == kind:
            return dict(condition)
    return {}
