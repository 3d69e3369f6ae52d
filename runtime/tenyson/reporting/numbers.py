"""Numbers as a person reads them: shares in percent, differences in points, sizes of files."""

from typing import Any

from tenyson.evaluation.statistics import Estimate


def value_text(value: float, is_share: bool) -> str:
    """Returns a score: `67.5 %` for a share, else four digits."""
    return f"{100 * value:.1f} %" if is_share else f"{value:.4g}"


def difference_text(value: float, is_share: bool) -> str:
    """Returns a difference with its sign: `+12.5 points`."""
    return f"{100 * value:+.1f} points" if is_share else f"{value:+.4g}"


def size_text(value: float, is_share: bool) -> str:
    """Returns the size of a difference, without a sign: `12.5 points`."""
    return f"{100 * abs(value):.1f} points" if is_share else f"{abs(value):.4g}"


def interval_text(found: Estimate, is_share: bool, *, signed: bool = False) -> str:
    """Returns an interval's ends: `3.1 to 21.9`; `–` where there is none."""
    if found.low is None or found.high is None:
        return "–"
    sign = "+" if signed else ""
    if is_share:
        return f"{100 * found.low:{sign}.1f} to {100 * found.high:{sign}.1f}"
    return f"{found.low:{sign}.4g} to {found.high:{sign}.4g}"


def p_text(value: float) -> str:
    """Returns a p-value."""
    return f"{value:.1e}" if value < 0.001 else f"{value:.3f}"


def bytes_text(count: Any) -> str:
    """Returns a number of bytes: `912 B`, `3.1 MiB`; `–` for none."""
    if not isinstance(count, int | float):
        return "–"
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
