"""Telemetry: what a job calls to leave rows behind."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tenyson.telemetry.database import Database, DatabaseAway
from tenyson.telemetry.redaction import Redact, redacted_groups, redacted_samples
from tenyson.telemetry.retention import Retention
from tenyson.telemetry.row_queue import Unit
from tenyson.telemetry.rows import Row, RunKey
from tenyson.telemetry.sample_rows import eval_rows, rollout_rows
from tenyson.telemetry.samples import EvalSample, PromptGroup
from tenyson.telemetry.spool import Spool
from tenyson.telemetry.writer import Writer, WriterSettings

_SAMPLES_AT_ONCE = 500
"""Samples of an Eval job in one transaction: that of a large evaluation whole would take minutes,
and what a deadline cut off would be all of it."""


def open_telemetry(
    db_url: str | None,
    output_dir: str | Path,
    *,
    run_id: str,
    attempt: int,
    settings: WriterSettings | None = None,
    is_current: Callable[[], bool] = lambda: True,
    retention: Retention | None = None,
    redact: Redact | None = None,
) -> "Telemetry":
    """Returns the telemetry of one attempt.

    Args:
        db_url: SQLAlchemy URL of SQLite or PostgreSQL; None writes nothing.
        output_dir: Where rows are kept while the database is away.
        run_id: The run that rows belong to.
        attempt: The try at that run.
        settings: When rows are written; None takes the defaults.
        is_current: Whether the attempt may write to the output folder; asked before it does.
        retention: Which groups keep their texts; None keeps all.
        redact: Returns what may leave the process of a prompt's or a completion's text.

    Raises:
        ConfigError: The URL cannot be used. A database that does not answer is no error.
        DependencyError: It answers, and its tables are of another version.
    """
    run = RunKey(run_id, attempt)
    if db_url is None:
        return Telemetry(run)
    spool = Spool(Path(output_dir), is_current)
    database = Database(db_url)
    with suppress(DatabaseAway):  # the writer finds it away, too, and says so
        database.prepare()
    writer = Writer(database, spool, settings or WriterSettings())
    return Telemetry(run, spool, writer, retention=retention, redact=redact)


class Telemetry:
    """Takes the rows of one attempt; nothing here waits for a database or raises its errors."""

    def __init__(
        self,
        run: RunKey,
        spool: Spool | None = None,
        writer: Writer | None = None,
        *,
        retention: Retention | None = None,
        redact: Redact | None = None,
    ) -> None:
        self.run = run
        self.warning: str | None = None
        """Where rows are that are not in the database; set by `close`, None when all are."""
        self._spool = spool
        self._writer = writer
        self._retention = retention or Retention()
        self._redact = redact
        self._counts: dict[str, int] | None = None

    @property
    def enabled(self) -> bool:
        """Whether rows are written at all."""
        return self._writer is not None

    def listen(self, on_change: Callable[[str | None], None]) -> None:
        """Has it called, on another thread, when the database goes away and when it is back.

        Args:
            on_change: Takes the reason, and None when the database is back.
        """
        if self._writer:
            self._writer.on_change = on_change

    def record(self, rows: Sequence[Row]) -> None:
        """Takes rows that belong together, of any tables."""
        if self._writer and rows:
            self._writer.put(Unit.of(rows))

    def record_later(self, count: int, build: Callable[[], Sequence[Row]]) -> None:
        """Takes rows that the writer's thread is to make.

        Args:
            count: How many there will be.
            build: Makes them, of what changes no more.
        """
        if self._writer:
            self._writer.put(Unit(count, build))

    def record_sft_metrics(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        """Takes one log line of SFT; `kind` is `train` or `eval`, one row of each a step."""
        self.record([self.run.row("sft_metrics", step, (kind,), dict(values))])

    def record_epoch_metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Takes one log line of GRPO."""
        self.record([self.run.row("epoch_metrics", step, ("train",), dict(values))])

    def record_rollouts(
        self,
        step: int,
        groups: Sequence[PromptGroup],
        *,
        phase: str = "rl",
        sampling_round: int = 0,
        weights: Mapping[str, float] | None = None,
        policy_version: int | None = None,
    ) -> None:
        """Takes the groups of one round of sampling.

        Args:
            step: Optimiser steps done.
            groups: The groups with their completions and rewards.
            phase: `rl` or `eval`.
            sampling_round: Number of the round within the step, from 0.
            weights: Of the reward functions, by name; None where they are not known.
            policy_version: Optimiser steps of the weights that sampled.

        Raises:
            TaskError: The task's `redact` failed.
        """
        if not self._writer or not groups:
            return
        kept = self._retention.apply(step, groups)
        kept = redacted_groups(kept, self._redact) if self._redact else kept
        moment = datetime.now(UTC)

        def build() -> list[Row]:
            return rollout_rows(
                self.run, step, kept, phase=phase, sampling_round=sampling_round,
                weights=weights, policy_version=policy_version, moment=moment,
            )  # fmt: skip

        # Ids and hashes of a step's completions take some 10 ms: the writer's thread makes them.
        self._writer.put(Unit(sum(1 + _rows_in(group) for group in kept), build))

    def record_eval_samples(self, samples: Sequence[EvalSample], *, step: int = 0) -> None:
        """Takes completions of an Eval job, and stores them in parts: a part is a transaction.

        Raises:
            TaskError: The task's `redact` failed.
        """
        if not self._writer:
            return
        allowed = redacted_samples(samples, self._redact) if self._redact else samples
        moment = datetime.now(UTC)
        for first in range(0, len(allowed), _SAMPLES_AT_ONCE):
            part = allowed[first : first + _SAMPLES_AT_ONCE]
            build = partial(eval_rows, self.run, step, part, moment)
            self.record_later(2 * len(part), build)

    def close(
        self, deadline_seconds: float = 10.0, remaining: Callable[[], float] = lambda: math.inf
    ) -> dict[str, int]:
        """Writes what waits and ends; returns the rows `written` and those still `spooled`.

        `refused` and `lost` are there too when they are not 0. A second call changes nothing.

        Args:
            deadline_seconds: After this long the rest goes to the spool.
            remaining: Seconds that a stop leaves the process; half of them may be taken.
        """
        if self._counts is None:
            self._counts = self._finish(deadline_seconds, remaining)
        return dict(self._counts)

    def _finish(self, deadline_seconds: float, remaining: Callable[[], float]) -> dict[str, int]:
        if self._writer is None or self._spool is None:
            return {"written": 0, "spooled": 0}
        self._writer.close(deadline_seconds, remaining)
        counts = {"written": self._writer.written, "spooled": self._spool.count()}
        troubles = {"refused": self._spool.count_refused(), "lost": self._writer.lost}
        counts |= {name: count for name, count in troubles.items() if count}
        self.warning = _warning(counts, self._spool, self._writer.last_trouble)
        return counts


def _rows_in(group: PromptGroup) -> int:
    return sum(1 + len(completion.rewards) for completion in group.completions)


def _warning(counts: Mapping[str, int], spool: Spool, reason: str | None) -> str | None:
    said = []
    if count := counts["spooled"]:
        why = f"the database was away ({reason})" if reason else "no time was left to write them"
        said.append(
            f"{count} telemetry rows wait in {spool.path}, {why}; the "
            f"next attempt or `tenyson db drain {spool.path.parent}` brings them there."
        )
    if count := counts.get("refused", 0):
        said.append(f"{count} telemetry rows were refused by the database, see {spool.refused}.")
    if count := counts.get("lost", 0):
        said.append(f"{count} telemetry rows are lost: the output folder took no more.")
    return " ".join(said) or None
