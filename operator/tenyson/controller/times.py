"""Times as API objects hold them."""

from datetime import UTC, datetime, timedelta


def parse_time(text: str) -> datetime:
    """Returns the time in an API object."""
    return datetime.fromisoformat(text)


def format_time(time: datetime) -> str:
    """Returns the time to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_up(time: datetime) -> str:
    """Returns the next whole second, so that nobody waits for a time that is past."""
    return format_time(time + timedelta(seconds=1))


def format_exactly(time: datetime) -> str:
    """Returns the time to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: str, end: str) -> float | None:
    """Returns how long something took, 0 at least; None when one of its times is not known."""
    if not start or not end:
        return None
    return max(0.0, (parse_time(end) - parse_time(start)).total_seconds())
