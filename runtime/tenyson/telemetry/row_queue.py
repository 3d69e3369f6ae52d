"""The bounded queue between training and the thread that writes telemetry."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tenyson.telemetry.rows import Row


@dataclass(frozen=True)
class Unit:
    """Rows that stay together, since they refer to each other; made when they are needed."""

    size: int
    """How many rows they are."""
    build: Callable[[], Sequence[Row]]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Unit":
        """Returns a unit of rows that are made already."""
        return cls(len(rows), lambda: rows)


class RowQueue:
    """Units of rows in order."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._units: deque[Unit] = deque()
        self._rows = 0
        self._wanted = 1
        """Rows that end the wait of whoever takes them."""
        self._closed = False
        self._changed = threading.Condition()

    def put(self, unit: Unit) -> bool:
        """Whether the unit was taken; never waits."""
        with self._changed:
            if self._closed or (self._units and self._rows + unit.size > self._limit):
                return False
            was_empty = not self._units
            self._units.append(unit)
            self._rows += unit.size
            # Waking the writer for each unit would cost the training thread a switch every step.
            if was_empty or self._rows >= self._wanted:
                self._changed.notify()
            return True

    def take(self, rows: int, patience: float, idle: float | None) -> list[Unit]:
        """Returns whole units of up to about `rows` rows.

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
            taken: list[Unit] = []
            size = 0
            while self._units and size < rows:
                taken.append(self._units.popleft())
                size += taken[-1].size
            self._rows -= size
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

    def empty(self) -> list[Unit]:
        """Returns all that waits."""
        with self._changed:
            taken = list(self._units)
            self._units.clear()
            self._rows = 0
            return taken
