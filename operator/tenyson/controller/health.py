"""Judges whether the controller is alive and ready: from its parts' movement, never from an object.

Dead means that only a restart can help. An API server that is away is no such thing, and neither is
a job that cannot go on: both would have every restart end in the same state.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from tenyson.controller.informer import Informer
from tenyson.controller.queue import WorkQueue

STUCK_SECONDS: Final = 300.0
"""How long work may wait while no pass begins or ends."""


class UnhealthyError(Exception):
    """Raised when only a restart can help."""


class Health:
    """Looks at the controller's parts."""

    def __init__(self, queue: WorkQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self.tasks: list[asyncio.Task[None]] = []
        """What must never end."""
        self.informers: Sequence[Informer] = ()
        self.certificate: asyncio.Event | None = None
        """Set once pods can report; None where they never do."""

    def missing(self) -> list[str]:
        """Returns what this replica still needs to take reports of pods; on a standby too.

        While the API server is away it stays as it is: taking all replicas out would not help.
        """
        unlisted = sorted({i.kind for i in self.informers if not i.synced.is_set()})
        if not self.informers:
            unlisted = ["all"]
        found = [f"not listed yet: {', '.join(unlisted)}"] if unlisted else []
        if self.certificate is not None and not self.certificate.is_set():
            found.append("no certificate for the progress endpoint yet")
        return found

    def check(self) -> dict[str, float]:
        """Returns the seconds since each kind was last heard of, and the queue's state.

        Raises:
            UnhealthyError: A part has ended that never should, or stands still.
        """
        ended = [task.get_name() for task in self.tasks if task.done()]
        stale = [f"{informer.kind} informer" for informer in self.informers if informer.is_stale()]
        if self.is_stuck():
            stale.append(f"workers, while {len(self._queue)} jobs wait for a pass")
        if ended or stale:
            raise UnhealthyError(f"ended: {ended or 'none'}; standing still: {stale or 'none'}")
        return {
            **{f"{kind}_age_seconds": round(age, 1) for kind, age in self.ages().items()},
            "queue_depth": len(self._queue),
            "queue_oldest_seconds": round(self._queue.oldest_seconds, 1),
        }

    def is_stuck(self) -> bool:
        """Whether work waits and nobody does any."""
        still = self._clock() - self._queue.moved_at
        return self._queue.oldest_seconds > STUCK_SECONDS and still > STUCK_SECONDS

    def ages(self) -> dict[str, float]:
        """Returns the seconds since the API server last told something, by kind."""
        now = self._clock()
        ages: dict[str, float] = {}
        for informer in self.informers:
            kind = informer.kind.replace(" ", "_")
            ages[kind] = max(ages.get(kind, 0.0), now - informer.heard_at)
        return ages
