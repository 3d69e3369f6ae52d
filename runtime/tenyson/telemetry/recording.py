"""Telemetry: what a job calls to leave rows behind."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenyson.contract import JobType
from tenyson.telemetry.database import Database
from tenyson.telemetry.rows import EvalSample, PromptGroup, RunKey, eval_rows, rollout_rows
from tenyson.telemetry.spool import Spool
from tenyson.telemetry.writer import Writer, WriterSettings


def open_telemetry(
    db_url: str | None,
    output_dir: str | Path,
    *,
    run_id: str,
    attempt: int,
    job_type: JobType,
    settings: WriterSettings | None = None,
    is_current: Callable[[], bool] = lambda: True,
) -> "Telemetry":
    """Returns the telemetry of one attempt; the database is connected to in the background.

    Args:
        db_url: SQLAlchemy URL of SQLite or PostgreSQL; None writes nothing.
        output_dir: Where rows are kept while the database is away.
        run_id: The run that rows belong to.
        attempt: The try at that run.
        job_type: Kind of the job.
        settings: When rows are written; None takes the defaults.
        is_current: Whether the attempt may write to the output folder; asked before it does.

    Raises:
        ConfigError: The URL cannot be used. A database that does not answer is no error.
    """
    run = RunKey(run_id, attempt)
    if db_url is None:
        return Telemetry(run, job_type)
    spool = Spool(Path(output_dir), is_current)
    database = Database(db_url)
    return Telemetry(run, job_type, spool, Writer(database, spool, settings or WriterSettings()))


class Telemetry:
    """Takes the rows of one attempt; nothing here waits for a database or raises its errors."""

    def __init__(
        self,
        run: RunKey,
        job_type: JobType,
        spool: Spool | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.run = run
        self.job_type = job_type
        self.warning: str | None = None
        """Where rows are that are not in the database; set by `close`, None when all are."""
        self._spool = spool
        self._writer = writer
        self._counts: dict[str, int] | None = None

    @property
    def enabled(self) -> bool:
        """Whether rows are written at all."""
        return self._writer is not None

    def record_sft_metrics(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        """Takes one log line of SFT; `kind` is `train` or `eval`, one row of each a step."""
        self._record_metrics("sft_metrics", step, kind, values)

    def record_epoch_metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Takes one log line of GRPO."""
        self._record_metrics("epoch_metrics", step, "train", values)

    def record_rollouts(
        self,
        step: int,
        groups: Sequence[PromptGroup],
        *,
        phase: str = "rl",
        sampling_round: int = 0,
    ) -> None:
        """Takes the groups of one round of sampling.

        Args:
            step: Optimiser steps done.
            groups: The groups with their completions and rewards.
            phase: `rl` or `eval`.
            sampling_round: Number of the round within the step, from 0.
        """
        if self._writer:
            self._writer.put(
                rollout_rows(self.run, step, groups, phase=phase, sampling_round=sampling_round)
            )

    def record_eval_samples(self, rows: Sequence[EvalSample], *, step: int = 0) -> None:
        """Takes completions of an Eval job."""
        if self._writer:
            self._writer.put(eval_rows(self.run, step, rows))

    def close(self, deadline_seconds: float = 10.0) -> dict[str, int]:
        """Writes what waits and ends; returns the rows `written` and those still `spooled`.

        `refused` and `lost` are there too when they are not 0. A second call changes nothing.

        Args:
            deadline_seconds: After this long the rest goes to the spool.
        """
        if self._counts is None:
            self._counts = self._finish(deadline_seconds)
        return dict(self._counts)

    def _finish(self, deadline_seconds: float) -> dict[str, int]:
        if self._writer is None or self._spool is None:
            return {"written": 0, "spooled": 0}
        self._writer.close(deadline_seconds)
        counts = {"written": self._writer.written, "spooled": self._spool.count()}
        troubles = {"refused": self._spool.count_refused(), "lost": self._writer.lost}
        counts |= {name: count for name, count in troubles.items() if count}
        self.warning = _warning(counts, self._spool, self._writer.last_trouble)
        return counts

    def _record_metrics(self, table: str, step: int, kind: str, values: Mapping[str, Any]) -> None:
        if self._writer:
            self._writer.put([self.run.row(table, step, (kind,), dict(values))])


def _warning(counts: Mapping[str, int], spool: Spool, reason: str | None) -> str | None:
    said = []
    if count := counts["spooled"]:
        said.append(
            f"{count} telemetry rows wait in {spool.path}, the database was away ({reason}); the "
            "next attempt or tenyson.telemetry.drain_spool brings them there."
        )
    if count := counts.get("refused", 0):
        said.append(f"{count} telemetry rows were refused by the database, see {spool.refused}.")
    if count := counts.get("lost", 0):
        said.append(f"{count} telemetry rows are lost: the output folder took no more.")
    return " ".join(said) or None
