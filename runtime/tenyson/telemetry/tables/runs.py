"""What was run: experiments, their runs, and the attempts at a run."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from tenyson.telemetry.tables.base import AnyText, Base, RowOfAnAttempt


class Experiment(Base):
    """A name that runs share."""

    __tablename__ = "experiments"
    __table_args__ = {"info": {"first_stays": True}}  # noqa: RUF012

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    """Made of the name."""
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class Run(Base):
    """One run, whatever the number of its attempts."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_experiment", "experiment_id"),)

    run_id: Mapped[str] = mapped_column(AnyText(), primary_key=True)
    experiment_id: Mapped[str | None] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("experiments.id")
    )
    job_type: Mapped[str]
    """`sft`, `rl` or `eval`."""
    name: Mapped[str]
    """Name of the TenysonJob, or of the output folder; the run's id where neither is known."""
    namespace: Mapped[str | None]
    task: Mapped[str]
    """The task's spec; empty for a run of before version 2 of the schema."""
    model: Mapped[str]
    """Name of the base model; empty for a run of before version 2."""
    config: Mapped[dict[str, Any]]
    """The resolved configuration, secrets masked."""
    config_hash: Mapped[str]
    seed: Mapped[int | None]
    dataset_key: Mapped[str | None]
    parents: Mapped[list[Any]]
    """Ids of the runs whose adapters this one started from or evaluates."""
    git_sha: Mapped[str | None]
    manifest: Mapped[dict[str, Any] | None]
    """What run_manifest.json holds."""
    created_at: Mapped[datetime]
    """When the first attempt began; a later one leaves it."""
    updated_at: Mapped[datetime]
    """When the row was made; of two versions of a row the newer one stays."""


class Attempt(RowOfAnAttempt, Base):
    """One try at a run: written when it begins, and again under the same id when it ends."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_run", "run_id", "attempt"),)

    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """None while it runs, and for ever where it was killed."""
    status: Mapped[str | None]
    """`success`, `failed`, `stopped`, `preempted`, `diverged` or `budget`."""
    exit_code: Mapped[int | None]
    stop_reason: Mapped[str | None]
    global_step: Mapped[int | None]
    """Optimiser steps done in the end, over all attempts."""
    resumed_from_step: Mapped[int | None]
    """The earlier attempt's rows of steps beyond this one do not count: they were done again."""
    wandb_url: Mapped[str | None]
    phase_seconds: Mapped[dict[str, Any] | None]
    tokens: Mapped[dict[str, Any] | None]
    cost: Mapped[dict[str, Any] | None]
    """`currency`, `rate` an hour, `amount` of all attempts so far."""
    peak_memory: Mapped[dict[str, Any] | None]
    hardware: Mapped[dict[str, Any] | None]
    metrics: Mapped[dict[str, Any] | None]
    """Those of the JobResult."""
    failure: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    """The whole JobResult."""
    warnings: Mapped[list[Any] | None]
