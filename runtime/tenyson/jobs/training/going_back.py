"""Where an attempt starts from: at first as configured, later from its own last good edge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from tenyson.checkpoints.layout import Checkpoint
from tenyson.checkpoints.store import CheckpointStore
from tenyson.config import JobConfig
from tenyson.errors import CheckpointError, DivergedError, TenysonError

T = TypeVar("T")


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
    return _choose(resume, back, store.newest, store.at_step)


def expected_start(
    store: CheckpointStore, resume: Literal["auto", "never"] | int, back: GoBack | None
) -> int | None:
    """Returns the step at which `find_start` would start, as far as names tell.

    None where they do not: the storage is away, or there is no checkpoint of the step asked for.
    """

    def newest(*, before: int | None, is_own: bool = False) -> int | None:
        return next(iter(store.finished_steps(before=before, is_own=is_own)), None)

    def at_step(step: int) -> int:
        if step not in store.finished_steps():
            raise CheckpointError(f"No checkpoint of step {step} is named.")
        return step

    try:
        return _choose(resume, back, newest, at_step) or 0
    except TenysonError:
        return None  # the start itself meets it, too, and says so


def _choose(
    resume: Literal["auto", "never"] | int,
    back: GoBack | None,
    newest: Callable[..., T | None],
    at_step: Callable[[int], T],
) -> T | None:
    """Returns what the attempt starts from; None starts from the beginning.

    Args:
        resume: As `checkpoint.resume` has it.
        back: Where the attempt goes back to; None at its first start.
        newest: Looks for the newest one, as `CheckpointStore.newest` does.
        at_step: Looks for the one of a step, and raises where there is none.
    """
    before = back.before_step if back else None
    if back is not None and (own := newest(before=before, is_own=True)) is not None:
        return own
    if resume == "never":
        return None
    if resume == "auto":
        return newest(before=before)
    return at_step(resume) if before is None or resume < before else None
