"""What a status comes to in a word, and whether one tells more than words that are new."""

from typing import Any, Final

from tenyson.controller.reasons import Reason

Status = dict[str, Any]

_STARTING: Final = frozenset(
    reason.word
    for reason in (
        Reason.STARTING, Reason.POD_WAITING, Reason.POD_MISSING, Reason.RUNNING_PARTLY,
    )
)  # fmt: skip


def phase(conditions: dict[str, Any], status: Status) -> str:
    """Returns the state in a word, for people; programs read the conditions."""

    def holds(kind: str) -> bool:
        return bool(conditions.get(kind, {}).get("status") == "True")

    if holds("Complete"):
        return "Succeeded"
    if holds("Failed"):
        stopped = conditions["Failed"]["reason"] == Reason.STOP_REQUESTED.word
        return "Stopped" if stopped else "Failed"
    if holds("Suspended"):
        return "Suspended"
    if "ending" in (status.get("child") or {}):
        return "Stopping"
    if conditions.get("Admitted", {}).get("status") == "False":
        return "Queued"
    why = conditions.get("Running", {}).get("reason")
    if why == Reason.POD_LEAVING.word:
        return "Stopping"
    # Between a pod's end and its Job's nothing has changed for people yet, so no Event either.
    if holds("Running") or why == Reason.SETTLING.word:
        return "Running"
    return "Starting" if why in _STARTING else "Pending"


def is_detail(before: Status, after: Status) -> bool:
    """Whether only words changed: reasons and messages of a job whose spec is accepted.

    A scheduler that tries a thousand pods again says something new about each of them.
    """
    if before.get("phase") != after["phase"] or _aspects(before) != _aspects(after):
        return False
    return _without_conditions(before) == _without_conditions(after)


def _aspects(status: Status) -> dict[str, tuple[str, ...]]:
    """Returns what each condition says to programs; of Accepted and Stalled, all of it."""
    found = {}
    for condition in status.get("conditions") or ():
        kind, state = condition["type"], condition["status"]
        tells_all = kind == "Stalled" or (kind == "Accepted" and state == "False")
        said = (condition["reason"], condition["message"]) if tells_all else ()
        found[kind] = (state, str(condition.get("observedGeneration")), *said)
    return found


def _without_conditions(status: Status) -> Status:
    return {name: value for name, value in status.items() if name != "conditions"}
