"""The one thread that writes telemetry, and the bounded queue that feeds it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tenyson.telemetry.database import Database, DatabaseAway
from tenyson.telemetry.rows import Row
from tenyson.telemetry.spool import Spool, insert_or_refuse

LOG = logging.getLogger("tenyson.telemetry")


@dataclass(frozen=True)
class WriterSettings:
    """When rows are written; the defaults suit a run."""

    batch_rows: int = 1000
    """Rows that are written at once."""
    batch_seconds: float = 0.5
    """Age of the oldest row at which a smaller batch is written."""
    queue_rows: int = 20_000
    """Rows that may wait in memory; further ones go to the spool at once."""
    retry_seconds: float = 0.5
    """First pause after the database was away; doubles with every further failure."""
    max_retry_seconds: float = 30.0
    """Longest pause between two tries."""


class RowQueue:
    """Units of rows in order; a unit stays together, since its rows refer to each other."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._units: deque[Sequence[Row]] = deque()
        self._rows = 0
        self._wanted = 1
        """Rows that end the wait of whoever takes them."""
        self._closed = False
        self._changed = threading.Condition()

    def put(self, unit: Sequence[Row]) -> bool:
        """Whether the unit was taken; never waits."""
        with self._changed:
            if self._closed or (self._units and self._rows + len(unit) > self._limit):
                return False
            was_empty = not self._units
            self._units.append(unit)
            self._rows += len(unit)
            # Waking the writer for each unit would cost the training thread a switch every step.
            if was_empty or self._rows >= self._wanted:
                self._changed.notify()
            return True

    def take(self, rows: int, patience: float, idle: float | None) -> list[Row]:
        """Returns up to about `rows` rows, in whole units.

        Args:
            rows: Enough of them end the wait for more.
            patience: Seconds to wait for more after the first.
            idle: Seconds to wait for the first; None waits as long as it takes.
        """
        with self._changed:
            self._wanted = rows
            self._changed.wait_for(lambda: self._units or self._closed, idle)
            if self._units:
                self._changed.wait_for(lambda: self._rows >= rows or self._closed, patience)
            taken: list[Row] = []
            while self._units and len(taken) < rows:
                taken += self._units.popleft()
            self._rows -= len(taken)
            return taken

    def close(self) -> None:
        """Takes no further unit; ends every wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_finished(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and not self._units

    def empty(self) -> list[Row]:
        """Returns all that waits."""
        with self._changed:
            taken = [row for unit in self._units for row in unit]
            self._units.clear()
            self._rows = 0
            return taken


class Writer:
    """Moves rows from memory to the database, or to the spool while the database is away."""

    def __init__(
        self,
        database: Database,
        spool: Spool,
        settings: WriterSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.written = 0
        """Rows given to the database."""
        self.lost = 0
        """Rows that neither the database nor the disk took."""
        self.last_trouble: str | None = None
        """Why the database was away the last time."""
        self._database = database
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._queue = RowQueue(settings.queue_rows)
        self._in_hand: list[Row] = []
        self._pause = 0.0
        self._next_try = 0.0
        self._thread = threading.Thread(target=self._run, name="tenyson-telemetry", daemon=True)
        self._thread.start()

    def put(self, unit: Sequence[Row]) -> None:
        """Takes rows that belong together; waits for no database, and raises nothing."""
        if unit and not self._queue.put(unit):
            self._to_spool(unit)

    def close(self, deadline_seconds: float) -> None:
        """Writes what waits; past the deadline the rest goes to the spool."""
        self._queue.close()
        self._thread.join(deadline_seconds)
        # Nothing is left of a thread that came to its end. The batch in hand of one that has not
        # may still reach the database: then it is there before its replay.
        self._to_spool([*self._in_hand, *self._queue.empty()])

    def _run(self) -> None:
        while not self._queue.is_finished:
            idle = max(0.0, self._next_try - self._clock()) if self._spool_waits() else None
            self._in_hand = self._queue.take(
                self._settings.batch_rows, self._settings.batch_seconds, idle
            )
            self._store(self._in_hand)
            self._in_hand = []
        if self._spool_waits():
            self._next_try = 0.0  # one last try, however short ago the last one was
            self._store([])
        self._database.close()

    def _spool_waits(self) -> bool:
        """Whether rows wait on the disk; one that does not answer now is asked again later."""
        try:
            return not self._spool.is_empty()
        except OSError as error:
            self.last_trouble = f"{type(error).__name__}: {error}"
            return False

    def _store(self, rows: list[Row]) -> None:
        if self._clock() < self._next_try:
            return self._to_spool(rows)
        try:
            if not self._spool.is_empty():
                self.written += self._spool.drain(self._database)
            if rows:
                self.written += insert_or_refuse(self._database, rows, self._spool)
        except DatabaseAway as trouble:
            self._back_off(str(trouble))
            self._to_spool(rows)
        except Exception as error:  # noqa: BLE001 - telemetry never ends a run, whatever it meets
            self._back_off(f"{type(error).__name__}: {error}")
            self._to_spool(rows)
        else:
            self._pause = self._next_try = 0.0

    def _back_off(self, reason: str) -> None:
        if not self._pause:
            LOG.warning(
                "Telemetry: %s is away, rows are kept: %s", self._database.shown_url, reason
            )
        self.last_trouble = reason
        longer = max(2 * self._pause, self._settings.retry_seconds)
        self._pause = min(longer, self._settings.max_retry_seconds)
        self._next_try = self._clock() + self._pause

    def _to_spool(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            self._spool.add(rows)
        except (OSError, ValueError, TypeError) as error:
            self.lost += len(rows)
            LOG.warning("Telemetry: %d rows are lost, the spool fails: %s", len(rows), error)
