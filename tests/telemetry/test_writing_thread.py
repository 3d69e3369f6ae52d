"""The thread that writes rows: it holds nobody up, stores in parts, outlives what goes wrong."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from tenyson.telemetry import (
    EvalSample,
    Telemetry,
    WriterSettings,
)
from tenyson.telemetry.database import DatabaseAway
from tenyson.telemetry.row_queue import RowQueue, Unit
from tenyson.telemetry.rows import Row, RunKey
from tenyson.telemetry.spool import Spool
from tenyson.telemetry.writer import Writer


class HangingDatabase:
    """Answers nobody until it is let go."""

    shown_url = "hanging"

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def insert(self, rows: Any) -> None:
        self.asked.set()
        self.let_go.wait(30)
        raise DatabaseAway("let go")

    def close(self) -> None: ...


def rows_of(count: int, step: int) -> list[Row]:
    run = RunKey("run", 0)
    return [run.row("sft_metrics", step, (str(i),), {}) for i in range(count)]


def test_a_database_that_hangs_holds_up_neither_training_nor_the_end(tmp_path: Path) -> None:
    database = HangingDatabase()
    spool = Spool(tmp_path)
    settings = WriterSettings(batch_rows=1, batch_seconds=0.01, queue_rows=5)
    writer = Writer(database, spool, settings)  # type: ignore[arg-type]
    writer.put(Unit.of(rows_of(1, 0)))
    assert database.asked.wait(10)
    for step in range(1, 10):
        writer.put(Unit.of(rows_of(1, step)))
    assert spool.count() == 4  # what the queue of 5 did not hold
    writer.close(deadline_seconds=0.05)
    assert spool.count() == 10
    database.let_go.set()


class CountingDatabase:
    """Takes everything, after the failures it is told of; keeps how many rows came at once."""

    shown_url = "counting"

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sizes: list[int] = []

    def insert(self, rows: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise DatabaseAway("told to")
        self.sizes.append(len(rows))

    def close(self) -> None: ...


def test_a_large_evaluation_is_stored_in_parts(tmp_path: Path) -> None:
    """One transaction for all of it would be rolled back whole at a deadline."""
    database, spool = CountingDatabase(), Spool(tmp_path)
    writer = Writer(database, spool, WriterSettings(batch_seconds=0.01))  # type: ignore[arg-type]
    telemetry = Telemetry(RunKey("run", 0), spool, writer)
    telemetry.record_eval_samples([EvalSample(str(i), "p", "c") for i in range(1700)])
    assert telemetry.close() == {"written": 3400, "spooled": 0}
    assert sorted(database.sizes) == [400, 1000, 1000, 1000]


def test_rows_that_no_time_was_left_for_are_not_said_to_be_an_outage(tmp_path: Path) -> None:
    database, spool = HangingDatabase(), Spool(tmp_path)
    writer = Writer(database, spool, WriterSettings(batch_seconds=0.01))  # type: ignore[arg-type]
    telemetry = Telemetry(RunKey("run", 0), spool, writer)
    telemetry.record(rows_of(1, 0))
    assert database.asked.wait(10)
    begun = time.monotonic()
    assert telemetry.close(120, lambda: 0.4)["spooled"] == 1  # a stop leaves less
    assert time.monotonic() - begun < 10
    assert "no time was left to write them; the next attempt" in (telemetry.warning or "")
    database.let_go.set()


def test_that_the_database_is_back_at_the_very_end_is_stored_too(tmp_path: Path) -> None:
    database, spool = CountingDatabase(failures=1), Spool(tmp_path)
    settings = WriterSettings(batch_seconds=0.01, retry_seconds=60.0)
    writer = Writer(database, spool, settings)  # type: ignore[arg-type]
    told: list[str | None] = []

    def listen(reason: str | None) -> None:
        told.append(reason)
        writer.put(Unit.of(rows_of(1, 1)))

    writer.on_change = listen
    writer.put(Unit.of(rows_of(1, 0)))
    writer.close(deadline_seconds=10)
    assert told == ["told to", None]
    assert spool.count() == 0
    assert writer.written == 3


def test_a_listener_that_raises_does_not_end_the_thread_that_writes(tmp_path: Path) -> None:
    database, spool = CountingDatabase(failures=1), Spool(tmp_path)
    settings = WriterSettings(batch_seconds=0.01, retry_seconds=0.01)
    writer = Writer(database, spool, settings)  # type: ignore[arg-type]
    writer.on_change = Mock(side_effect=RuntimeError("a bug"))
    writer.put(Unit.of(rows_of(2, 0)))
    writer.close(deadline_seconds=10)
    assert (writer.written, spool.count()) == (2, 0)


def test_a_queue_takes_a_unit_whole_or_not_at_all() -> None:
    queue = RowQueue(limit=5)
    assert queue.put(Unit.of(rows_of(9, 0)))  # alone it may be larger than the queue
    assert not queue.put(Unit.of(rows_of(1, 1)))
    assert [unit.size for unit in queue.take(4, patience=0.0, idle=0.0)] == [9]
    assert queue.put(Unit.of(rows_of(3, 2)))
    assert queue.put(Unit.of(rows_of(2, 3)))
    assert not queue.put(Unit.of(rows_of(1, 4)))


def test_a_folder_that_fails_for_a_while_loses_no_row(tmp_path: Path) -> None:
    database = SimpleNamespace(insert=lambda rows: None, close=lambda: None, shown_url="d")
    spool = Spool(tmp_path)
    spool.is_empty = Mock(side_effect=OSError("stale file handle"))  # type: ignore[method-assign]
    writer = Writer(database, spool, WriterSettings(batch_seconds=0.01))  # type: ignore[arg-type]
    for step in range(3):
        writer.put(Unit.of(rows_of(2, step)))
    writer.close(deadline_seconds=5)

    assert writer.written + spool.count() == 6
    assert writer.lost == 0
