"""What a check before a start may say."""

from dataclasses import dataclass
from enum import Enum

from tenyson.controller.observed import Reference
from tenyson.controller.reasons import Reason


class Answer(Enum):
    """What to do about a finding."""

    WAIT = "wait"
    """Something will come by itself."""
    REFUSE = "refuse"
    """A person must act; the job starts once they have."""
    FAIL = "fail"
    """It can never start: the run has failed."""
    LOOK_UP = "look up"
    """Objects must be read from the cluster first; then plan again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a job does not start now."""

    answer: Answer
    reason: Reason
    message: str
    polled: bool = False
    """Whether no watch will tell when it is over, so that the job must look again by itself."""
    references: tuple[Reference, ...] = ()
    """What to look up."""


def refuse(reason: Reason, *, polled: bool = False, **values: object) -> Finding:
    """Returns a refusal with the reason's sentence."""
    return Finding(Answer.REFUSE, reason, reason.say(**values), polled)


def wait(reason: Reason, **values: object) -> Finding:
    """Returns a wait with the reason's sentence."""
    return Finding(Answer.WAIT, reason, reason.say(**values))


def fail(reason: Reason, **values: object) -> Finding:
    """Returns a final failure with the reason's sentence."""
    return Finding(Answer.FAIL, reason, reason.say(**values))
