"""Whether a step that is under way when a stop is asked for is finished or dropped."""

from enum import Enum


class Decision(Enum):
    """What becomes of the running step."""

    FINISH_STEP = "finish"
    """It ends in time: its checkpoint is saved after it."""
    DROP_STEP = "drop"
    """It does not: it is cut short, and the state of the last edge is saved."""
    LEAVE_NOW = "leave"
    """It does not, and there is nothing to save, or no time to: the last checkpoint counts."""


def decide(
    *, now: float, deadline: float, step_seconds: float, save_seconds: float, has_edge_state: bool
) -> Decision:
    """Returns what to do with a running step.

    Args:
        now: By the clock of the deadline.
        deadline: When everything must be over; infinite where no kill is coming.
        step_seconds: Estimate of what is left of the step.
        save_seconds: Estimate of a save.
        has_edge_state: Whether the last edge's state is at hand and not saved yet.
    """
    left = deadline - now
    if step_seconds + save_seconds <= left:
        return Decision.FINISH_STEP
    if has_edge_state and can_save(left, save_seconds):
        return Decision.DROP_STEP
    return Decision.LEAVE_NOW


def can_save(left_seconds: float, save_seconds: float) -> bool:
    """Whether a save is worth the try: estimates are rough, and one cut short harms nothing."""
    return left_seconds > save_seconds / 2
