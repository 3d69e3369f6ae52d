"""What counts as a number in metrics."""

import math
from typing import Any


def is_number(value: Any) -> bool:
    """Whether it is a finite number; a NumPy number is one too."""
    try:
        return math.isfinite(float(value)) and not isinstance(value, str | bytes)
    except (TypeError, ValueError, OverflowError):
        return False
