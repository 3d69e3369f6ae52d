"""The one thread that writes telemetry."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tenyson.hiding import hide_in
from tenyson.telemetry.database import Database, DatabaseAway
from tenyson.telemetry.patience import join_within
from tenyson.telemetry.row_queue import RowQueue, Unit
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
        self.on_change: Callable[[str | None], None] = lambda reason: None
        """Called on the writer's thread with the reason when the database goes away, and with None
        when it is back; what it puts is written like all else."""
        self._database = database
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._queue = RowQueue(settings.queue_rows)
        self._in_hand: list[Unit] = []
        self._pause = 0.0
        self._next_try = 0.0
        self._thread = threading.Thread(target=self._run, name="tenyson-telemetry", daemon=True)
        self._thread.start()

    def put(self, unit: Unit) -> None:
        """Takes rows that belong together; waits for no database, and raises nothing."""
        if unit.size and not self._queue.put(unit):
            self._to_spool(self._build([unit]))

    def close(
        self, deadline_seconds: float, remaining: Callable[[], float] = lambda: math.inf
    ) -> None:
        """Writes what waits; past the deadline, or half of what remains, the rest is spooled."""
        self._queue.close()
        join_within(self._thread, deadline_seconds, remaining)
        # Nothing is left of a thread that came to its end. The batch in hand of one that has not
        # may still reach the database: then it is there before its replay.
        self._to_spool(self._build([*self._in_hand, *self._queue.empty()]))

    def _run(self) -> None:
        while not self._queue.is_finished:
            idle = max(0.0, self._next_try - self._clock()) if self._spool_waits() else None
            self._in_hand = self._queue.take(
                self._settings.batch_rows, self._settings.batch_seconds, idle
            )
            self._store(self._build(self._in_hand))
            self._in_hand = []
        if self._spool_waits():
            self._next_try = 0.0  # one last try, however short ago the last one was
            self._store([])
            if not self._pause and self._spool_waits():
                self._store([])  # that the database is back went there: the queue is closed
        self._database.close()

    def _build(self, units: Iterable[Unit]) -> list[Row]:
        """The units' rows, without this process's secrets.

        A unit that cannot be made is lost, and the thread goes on.
        """
        rows: list[Row] = []
        for unit in units:
            try:
                rows += [row._replace(values=hide_in(row.values)) for row in unit.build()]
            except Exception as error:
                self.lost += unit.size
                LOG.exception("Telemetry: %d rows are lost: %s", unit.size, error)
        return rows

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
            was_away, self._pause, self._next_try = bool(self._pause), 0.0, 0.0
            if was_away:
                self._tell(None)

    def _back_off(self, reason: str) -> None:
        is_news = not self._pause
        self.last_trouble = reason
        longer = max(2 * self._pause, self._settings.retry_seconds)
        self._pause = min(longer, self._settings.max_retry_seconds)
        self._next_try = self._clock() + self._pause
        if is_news:
            LOG.warning(
                "Telemetry: %s is away, rows are kept: %s", self._database.shown_url, reason
            )
            self._tell(reason)

    def _tell(self, reason: str | None) -> None:
        try:
            self.on_change(reason)
        except Exception:  # the thread that writes must not end by who listens
            LOG.exception("Telemetry: it could not be told that the database is away or back")

    def _to_spool(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            self._spool.add(rows)
        except (OSError, ValueError, TypeError) as error:
            self.lost += len(rows)
            LOG.warning("Telemetry: %d rows are lost, the spool fails: %s", len(rows), error)
