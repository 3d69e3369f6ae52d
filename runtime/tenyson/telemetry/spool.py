"""The spool: rows that the database did not take yet, as JSON lines in the output folder.

A line is a row, see `spool_lines`. While the file is emptied it is called
`telemetry_spool.draining.jsonl`, so that new rows go to a new file. Rows that the database will
never take end in `telemetry_spool.refused.jsonl`.
"""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.telemetry.database import Database, RowsRefused
from tenyson.telemetry.rows import Row
from tenyson.telemetry.spool_lines import UnknownLineError, line_of, rows_of

LOG = logging.getLogger("tenyson.telemetry")
DRAIN_ROWS = 1000


class Spool:
    """The spool files of one output folder; only one process may write there."""

    def __init__(self, folder: Path, is_ours: Callable[[], bool] = lambda: True) -> None:
        """Takes the folder, and what says whether this process is still the one to write there."""
        self._is_ours = is_ours
        self.path = folder / File.TELEMETRY_SPOOL
        self.draining = self.path.with_suffix(".draining.jsonl")
        self.refused = self.path.with_suffix(".refused.jsonl")
        self._lock = threading.Lock()

    def add(self, rows: Iterable[Row]) -> None:
        """Appends the rows and syncs them to disk.

        Raises:
            OSError: The disk does not take them, or the spool is another process's by now.
        """
        if not self._is_ours():
            raise OSError("a newer attempt has taken the output folder over")
        with self._lock:
            _append(self.path, map(line_of, rows))

    def is_empty(self) -> bool:
        """Whether no row waits that this process could move."""
        waits = self.path.exists() or self.draining.exists()
        return not (waits and self._is_ours())

    def count(self) -> int:
        """Returns how many rows wait."""
        with self._lock:
            return sum(_count_lines(path) for path in (self.draining, self.path))

    def count_refused(self) -> int:
        """Returns how many rows the database will never take."""
        return _count_lines(self.refused)

    def drain(self, database: Database) -> int:
        """Moves all waiting rows to the database, the oldest first; returns their number.

        Raises:
            DatabaseAway: The rest waits on; rows moved before are there and do no harm twice.
        """
        moved = 0
        while self._take_turn():
            try:
                moved += self._drain_one_file(database)
            except BaseException:
                self._put_back()
                raise
            self.draining.unlink(missing_ok=True)
        return moved

    def refuse(self, row: Row, reason: str) -> None:
        """Sets a row aside that the database will never take."""
        LOG.warning("Telemetry: a row of %s was refused: %s", row.table, reason)
        _append(self.refused, [line_of(row)])

    def _take_turn(self) -> bool:
        """Whether there is a file to drain, one left by a crash first."""
        with self._lock:
            if not self.draining.exists() and self.path.exists():
                os.replace(self.path, self.draining)
            return self.draining.exists()

    def _drain_one_file(self, database: Database) -> int:
        moved = 0
        with open(self.draining, "rb") as file:
            lines = enumerate(file, start=1)
            while batch := list(islice(lines, DRAIN_ROWS)):
                rows = [row for number, line in batch for row in self._rows_of(number, line)]
                moved += insert_or_refuse(database, rows, self) if rows else 0
        return moved

    def _rows_of(self, number: int, line: bytes) -> list[Row]:
        """The rows of a line; one that is whole and not understood is set aside."""
        try:
            return rows_of(line)
        except UnknownLineError as error:
            LOG.warning("Telemetry: line %d of the spool is set aside: %s", number, error)
            _append(self.refused, [line])
        except (ValueError, KeyError, TypeError) as error:
            LOG.warning("Telemetry: line %d of the spool holds no row: %s", number, error)
        return []

    def _put_back(self) -> None:
        """Makes one file of the rows that wait, the older ones first."""
        with self._lock:
            if self.path.exists():
                with open(self.draining, "ab") as older, open(self.path, "rb") as newer:
                    shutil.copyfileobj(newer, older)
                    older.flush()
                    os.fsync(older.fileno())
            # A crash just before this line leaves rows in both files, which does no harm.
            os.replace(self.draining, self.path)


def insert_or_refuse(database: Database, rows: Sequence[Row], spool: Spool) -> int:
    """Stores the rows, setting aside those that are refused; returns how many were stored.

    Raises:
        DatabaseAway: None of the rest was stored.
    """
    try:
        database.insert(rows)
        return len(rows)
    except RowsRefused as error:
        if len(rows) == 1:
            spool.refuse(rows[0], str(error))
            return 0
    # In halves, so that one bad row of a thousand costs ten inserts more and not a thousand.
    middle = len(rows) // 2
    return sum(insert_or_refuse(database, part, spool) for part in (rows[:middle], rows[middle:]))


def _append(path: Path, lines: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        if file.tell() and _last_byte(file) != b"\n":
            file.write(b"\n")  # a crash cut the last line
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    return bytes(file.read(1))


def _count_lines(path: Path) -> int:
    try:
        with open(path, "rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0
