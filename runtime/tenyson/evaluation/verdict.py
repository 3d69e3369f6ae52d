"""What is said of a difference, and from which p-value on."""

from typing import Literal

SIGNIFICANT = 0.05
"""Adjusted p-value below which a difference counts as shown."""

Verdict = Literal["improved", "regressed", "not shown"]


def verdict_of(difference: float, p_adjusted: float, *, lower_is_better: bool = False) -> Verdict:
    """Returns `improved`, `regressed` or `not shown`; not shown is not the same as no difference.

    Args:
        difference: Of the means, after minus before.
        p_adjusted: Of the paired test, adjusted for the number of comparisons.
        lower_is_better: Whether a fall is what is wanted.
    """
    if p_adjusted >= SIGNIFICANT:
        return "not shown"
    return "improved" if (difference > 0) is not lower_is_better else "regressed"
