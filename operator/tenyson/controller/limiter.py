"""Waiting: how fast requests may go, and how long to hold back after one that failed."""

import asyncio
import random
import time
from collections.abc import Callable


class Limiter:
    """A token bucket: `qps` requests a second, `burst` at once, in order of asking."""

    def __init__(self, qps: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._qps = qps
        self._burst = float(burst)
        self._tokens = float(burst)
        self._clock = clock
        self._then = clock()

    async def take(self) -> None:
        """Returns when the next request may go."""
        delay = self.reserve()
        if delay > 0:
            await asyncio.sleep(delay)

    def reserve(self) -> float:
        """Takes a token and returns the seconds until it is valid."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._qps)
        self._then = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._qps)


def backoff(
    tries: int, *, base: float, most: float, draw: Callable[[], float] = random.random
) -> float:
    """Returns the wait after so many failures: doubled each time, half of it left to chance."""
    doubled = min(base * 2.0 ** min(tries, 30), most)
    return doubled * (0.5 + 0.5 * draw())
