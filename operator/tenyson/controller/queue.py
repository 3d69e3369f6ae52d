"""The work queue: each key once, worked on by one worker at a time, what is urgent first."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from tenyson.controller import metrics
from tenyson.controller.limiter import backoff
from tenyson.controller.names import Key

BACKOFF_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 30.0


class WorkQueue:
    """Keys that wait for a pass.

    Urgent keys (a child is to be made) go before others (a status is to be written), so that a
    flood of new jobs starts training before it is written about.
    """

    def __init__(self, delay: Callable[[int], float] | None = None) -> None:
        self._urgent: deque[Key] = deque()
        self._others: deque[Key] = deque()
        self._waiting: dict[Key, bool] = {}
        self._busy: set[Key] = set()
        self._again: dict[Key, bool] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._there_is_work = asyncio.Event()
        self._delay = delay or (
            lambda n: backoff(n, base=BACKOFF_SECONDS, most=BACKOFF_MAX_SECONDS)
        )

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_urgent(self) -> bool:
        """Whether a child may wait to be made (stale entries count until they are met)."""
        return bool(self._urgent)

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Asks for a pass, now; a key that waits already only becomes more urgent."""
        self._cancel_timer(key)
        if key in self._busy:
            self._again[key] = self._again.get(key, False) or urgent
        elif self._waiting.get(key) is None or (urgent and not self._waiting[key]):
            self._waiting[key] = urgent
            (self._urgent if urgent else self._others).append(key)
            self._there_is_work.set()
        metrics.QUEUE_DEPTH.set(len(self._waiting))

    def add_after(self, key: Key, seconds: float) -> None:
        """Asks for a pass later; an earlier wish stands."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self._ring, key)

    def add_after_failure(self, key: Key) -> None:
        """Asks for a pass after a wait that grows with each failure in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, self._delay(failures))

    def succeeded(self, key: Key) -> None:
        """Forgets earlier failures."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drops all that is known about a key; a pass asked for during the present one stays."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Returns the next key; `done` must follow."""
        while True:
            while self._urgent or self._others:
                urgent = bool(self._urgent)
                key = (self._urgent if urgent else self._others).popleft()
                # A key that became urgent leaves a stale entry behind.
                if self._waiting.get(key) is urgent:
                    del self._waiting[key]
                    self._busy.add(key)
                    metrics.QUEUE_DEPTH.set(len(self._waiting))
                    return key
            self._there_is_work.clear()
            await self._there_is_work.wait()

    def done(self, key: Key) -> None:
        """Ends a pass; what was asked for meanwhile is queued now."""
        self._busy.discard(key)
        urgent = self._again.pop(key, None)
        if urgent is not None:
            self.add(key, urgent=urgent)

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_timer(self, key: Key) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
