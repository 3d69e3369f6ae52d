"""A curve as one line of text."""

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = " "


def sparkline(points: Sequence[tuple[float, float]], width: int = 20) -> str:
    """Returns the curve in blocks of eighths; a gap where no value is finite.

    Args:
        points: (step, value), the smallest step first.
        width: Letters; fewer where there are fewer points.
    """
    values = _pieces([value for _, value in points], width)
    finite = [value for value in values if value is not None]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    return "".join(NOTHING if value is None else _block(value, low, span) for value in values)


def _block(value: float, low: float, span: float) -> str:
    if span == 0:
        return BLOCKS[3]
    return BLOCKS[min(len(BLOCKS) - 1, int((value - low) / span * len(BLOCKS)))]


def _pieces(values: Sequence[float], width: int) -> list[float | None]:
    """Means of neighbouring values, `width` of them at most."""
    count = min(width, len(values))
    edges = [round(place * len(values) / count) for place in range(count + 1)] if count else []
    return [_mean(values[start:end]) for start, end in pairwise(edges)]


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None
