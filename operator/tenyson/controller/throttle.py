"""How often each of many sources may come: a token bucket for each, and a bound on their number."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from tenyson.controller.limiter import Limiter


class Throttle:
    """Token buckets by source; those that were asked for longest ago are forgotten first."""

    def __init__(
        self,
        qps: float,
        burst: int,
        *,
        most: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes how often a source may come.

        Args:
            qps: Times a second, sustained.
            burst: Times at once.
            most: Sources that are remembered; one that is forgotten begins with a full bucket.
            clock: Tells the seconds.
        """
        self._qps = qps
        self._burst = burst
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[Hashable, Limiter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def seconds_to_next(self, source: Hashable) -> float:
        """Returns how long the source must wait; 0 where it may come now."""
        bucket = self._buckets.get(source)
        return bucket.seconds_to_next() if bucket is not None else 0.0

    def take(self, source: Hashable) -> float:
        """Counts one time, where the source may come now; returns how long it must wait else."""
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = Limiter(self._qps, self._burst, self._clock)
        self._buckets.move_to_end(source)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if bucket.try_take() else bucket.seconds_to_next()
