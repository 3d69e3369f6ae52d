"""Which row a reward function was at when it raised, read from the frames of its error."""

from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any


def failing_row(error: BaseException, columns: Mapping[str, Any], rows: int) -> int | None:
    """Returns the row whose values the failing loop held; None when they do not tell.

    A loop over `zip(completions, targets)` leaves its variables in the frame that raised, and
    they are the very objects of one row. Nothing is run again: a reward may cost money.

    Args:
        error: As it was raised, with its traceback.
        columns: Lists of the batch by name; anything of another length is left out.
        rows: Rows of the batch.
    """
    if rows == 1:
        return 0
    lists = [c for c in columns.values() if isinstance(c, list | tuple) and len(c) == rows]
    for frame in _innermost_first(error):
        candidates = _rows_in(frame, lists)
        if len(candidates) == 1:
            return candidates.pop()
    return None


def _innermost_first(error: BaseException) -> list[FrameType]:
    frames = []
    step = error.__traceback__
    while step is not None:
        frames.append(step.tb_frame)
        step = step.tb_next
    return frames[:0:-1]  # without our own, which made the call


def _rows_in(frame: FrameType, lists: Sequence[Sequence[Any]]) -> set[int]:
    """The rows that agree with every local variable that is some row's value."""
    agreed: set[int] | None = None
    for value in list(frame.f_locals.values()):
        if value is None or isinstance(value, bool):
            continue
        found = {i for column in lists for i, item in enumerate(column) if item is value}
        if found:
            agreed = found if agreed is None else agreed & found
    return agreed or set()
