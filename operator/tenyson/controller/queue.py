"""The work queue: each key once, worked on by one worker at a time, what is urgent first."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tenyson.controller import metrics
from tenyson.controller.limiter import backoff
from tenyson.controller.names import Key

BACKOFF_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 30.0
BATCH_SECONDS: Final = 0.2
"""How long news about a job wait for more of it: a pod's first states come in one handful, and a
pass over each of them would write the same. Kubernetes' own Job controller waits a second."""
_OTHERS_EVERY: Final = 16
"""One pass in so many goes to what is not urgent, however much is."""


class Lane:
    """Keys of one priority, the namespaces in turn, so that a noisy one delays only itself."""

    # OrderedDict, as a plain dict searches for its first key past all that were taken before.
    def __init__(self) -> None:
        self._keys: OrderedDict[str, OrderedDict[Key, None]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._keys)

    def add(self, key: Key) -> None:
        """Puts a key behind the others of its namespace."""
        self._keys.setdefault(key[0], OrderedDict())[key] = None

    def discard(self, key: Key) -> None:
        """Takes a key out, if it is here."""
        keys = self._keys.get(key[0])
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del self._keys[key[0]]

    def pop(self) -> Key:
        """Takes the oldest key of the namespace whose turn it is."""
        namespace = next(iter(self._keys))
        keys = self._keys[namespace]
        key, _ = keys.popitem(last=False)
        if keys:
            self._keys.move_to_end(namespace)
        else:
            del self._keys[namespace]
        return key


class WorkQueue:
    """Keys that wait for a pass.

    Urgent keys (a child is to be made) go before others (a status is to be written), so that a
    flood of new jobs starts training before it is written about.
    """

    def __init__(
        self,
        delay: Callable[[int], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._urgent, self._others = Lane(), Lane()
        self._waiting: OrderedDict[Key, float] = OrderedDict()
        """Since when each key waits, oldest first."""
        self._busy: set[Key] = set()
        self._again: dict[Key, bool] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._there_is_work = asyncio.Event()
        self._is_open = True
        self._urgent_in_a_row = 0
        self._clock = clock
        self.moved_at = clock()
        """When a pass began or ended last."""
        self._delay = delay or (
            lambda n: backoff(n, base=BACKOFF_SECONDS, most=BACKOFF_MAX_SECONDS)
        )

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_urgent(self) -> bool:
        """Whether a child waits to be made."""
        return bool(self._urgent)

    @property
    def oldest_seconds(self) -> float:
        """How long the key that waits longest has waited; 0 when none does."""
        since = next(iter(self._waiting.values()), None)
        return 0.0 if since is None else self._clock() - since

    def open(self) -> None:
        """Takes wishes from now on."""
        self._is_open = True
        self.moved_at = self._clock()

    def close(self) -> None:
        """Forgets all wishes and takes none: a standby has no passes to make."""
        self._is_open = False
        for timer in self._timers.values():
            timer.cancel()
        for store in (self._timers, self._waiting, self._again, self._failures):
            store.clear()
        self._urgent, self._others = Lane(), Lane()

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Asks for a pass, now; a key that waits already only becomes more urgent."""
        if not self._is_open:
            return
        self._cancel_timer(key)
        if key in self._busy:
            self._again[key] = self._again.get(key, False) or urgent
            return
        if key not in self._waiting:
            self._waiting[key] = self._clock()
            (self._urgent if urgent else self._others).add(key)
            self._there_is_work.set()
        elif urgent:
            self._others.discard(key)
            self._urgent.add(key)

    def add_soon(self, key: Key) -> None:
        """Asks for one pass over all that is heard about a key within a moment."""
        if key not in self._waiting:
            self.add_after(key, BATCH_SECONDS)

    def add_after(self, key: Key, seconds: float) -> None:
        """Asks for a pass later; an earlier wish stands."""
        if seconds <= 0:
            self.add(key)
            return
        if not self._is_open:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self._ring, key)

    def add_after_failure(self, key: Key, at_least: float = 0.0) -> None:
        """Asks for a pass after a wait that grows with each failure in a row.

        Args:
            key: The job.
            at_least: Seconds that the API server asked to be left alone for.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        metrics.QUEUE_RETRIES.inc()
        self.add_after(key, max(self._delay(failures), at_least))

    def succeeded(self, key: Key) -> None:
        """Forgets earlier failures."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drops all that is known about a key; a pass asked for during the present one stays."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Returns the next key; `done` must follow."""
        while not self._waiting:
            self._there_is_work.clear()
            await self._there_is_work.wait()
        key = self._next()
        now = self.moved_at = self._clock()
        metrics.QUEUE_LATENCY_SECONDS.observe(now - self._waiting.pop(key))
        self._busy.add(key)
        return key

    def _next(self) -> Key:
        turn_of_others = self._others and self._urgent_in_a_row >= _OTHERS_EVERY
        if self._urgent and not turn_of_others:
            self._urgent_in_a_row += 1
            return self._urgent.pop()
        self._urgent_in_a_row = 0
        return self._others.pop()

    def done(self, key: Key) -> None:
        """Ends a pass; what was asked for meanwhile is queued now."""
        self.moved_at = self._clock()
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
