"""Numbers, times and sizes as a report writes them."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any


def number(value: Any) -> str:
    """Returns a number to four digits, thousands apart; `–` for none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) >= 1000):
        return f"{int(value):,}"
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def share(value: float) -> str:
    """Returns a share in percent."""
    return f"{100 * value:.1f} %"


def moment(value: datetime | None) -> str:
    """Returns a moment to the minute, in UTC."""
    return "–" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(value: timedelta | float | None) -> str:
    """Returns `1 h 12 min`, `3 min 20 s` or `8.3 s`."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def money(cost: Any) -> str:
    """Returns what a run has cost; `–` without a price."""
    amount = cost.get("amount") if cost else None
    if not isinstance(amount, int | float):
        return "–"
    return f"{amount:,.2f} {cost.get('currency') or ''}".strip()


def count_of(count: int, noun: str) -> str:
    """Returns `1 prompt`, `2 prompts`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
