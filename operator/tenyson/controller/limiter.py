"""Waiting: how fast requests may go, and how long to hold back after one that failed."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class Limiter:
    """A token bucket: `qps` requests a second, `burst` at once, in order of asking."""

    def __init__(self, qps: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._qps = qps
        self._burst = float(burst)
        self._tokens = float(burst)
        self._clock = clock
        self._then = clock()

    async def take(self) -> float:
        """Returns when the next request may go, with the seconds that it waited."""
        delay = self.reserve()
        if delay > 0:
            await asyncio.sleep(delay)
        return delay

    def try_take(self) -> bool:
        """Takes a token if one is there, and returns whether one was."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def reserve(self) -> float:
        """Takes a token and returns the seconds until it is valid."""
        self._refill()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._qps)

    def seconds_to_next(self) -> float:
        """Returns the seconds until a token will be there, and takes none."""
        self._refill()
        return max(0.0, (1 - self._tokens) / self._qps)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._qps)
        self._then = now


def backoff(
    tries: int, *, base: float, most: float, draw: Callable[[], float] = random.random
) -> float:
    """Returns the wait after so many failures: doubled each time, half of it left to chance."""
    doubled = min(base * 2.0 ** min(tries, 30), most)
    return doubled * (0.5 + 0.5 * draw())


def retry_after(value: str, answered: str = "", *, most: float) -> float:
    """Returns the seconds that a Retry-After header asks for; 0 for none, or one nobody can read.

    Args:
        value: Seconds, or an HTTP date.
        answered: The answer's own Date header. A date counts from there, so that the clocks of
            the two sides need not agree.
        most: What is honoured at most.
    """
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, answered)
    # A comparison with NaN is false, so that it becomes 0 as well.
    return min(seconds, most) if seconds > 0 else 0.0


def _seconds_until(date: str, answered: str) -> float:
    try:
        until = _as_utc(parsedate_to_datetime(date))
    except ValueError:
        return 0.0
    try:
        now = _as_utc(parsedate_to_datetime(answered))
    except ValueError:
        now = datetime.now(UTC)
    return (until - now).total_seconds()


def _as_utc(time: datetime) -> datetime:
    """Takes a time without a zone for UTC, as HTTP does."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)
