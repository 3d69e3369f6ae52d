"""Where an attempt starts from: at first as configured, later from its own last good edge."""

from dataclasses import dataclass
from typing import Literal

from tenyson.checkpoints.layout import Checkpoint
from tenyson.checkpoints.store import CheckpointStore
from tenyson.config import JobConfig
from tenyson.errors import DivergedError, TenysonError


@dataclass(frozen=True)
class GoBack:
    """A start within an attempt that has trained before."""

    before_step: int | None = None
    """Checkpoints of this step and later ones are bad; None takes the newest."""


def wants_rollback(error: BaseException, config: JobConfig) -> bool:
    """Whether a guard ended the training that the configuration lets go back."""
    if not isinstance(error, DivergedError) or not error.guard:
        return False
    return bool(getattr(config.guards, error.guard) == "rollback")


def find_start(
    store: CheckpointStore, resume: Literal["auto", "never"] | int, back: GoBack | None
) -> Checkpoint | None:
    """Returns the checkpoint to start from; None starts from the beginning.

    Args:
        store: The run's checkpoints.
        resume: As `checkpoint.resume` has it.
        back: Where the attempt goes back to; None at its first start.
    """
    if back is not None and (own := store.newest(before=back.before_step, is_own=True)):
        return own
    if resume == "never":
        return None
    before = back.before_step if back else None
    if resume == "auto":
        return store.newest(before=before)
    return store.at_step(resume) if before is None or resume < before else None


def expected_start(
    store: CheckpointStore, resume: Literal["auto", "never"] | int, back: GoBack | None
) -> int | None:
    """Returns the step at which `find_start` would start, as far as names tell.

    None where they do not: the storage is away, or there is no checkpoint of the step asked for.
    """
    before = back.before_step if back else None
    try:
        if back is not None and (own := store.finished_steps(before=before, is_own=True)):
            return own[0]
        if resume == "never":
            return 0
        steps = store.finished_steps(before=before)
    except TenysonError:
        return None  # the start itself meets it, too, and says so
    if resume == "auto":
        return steps[0] if steps else 0
    if before is not None and resume >= before:
        return 0
    return resume if resume in steps else None
