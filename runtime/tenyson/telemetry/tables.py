"""The telemetry tables, the same models for SQLite and PostgreSQL.

Every row carries its run and attempt. Ids are made from what a row says (`rows.row_id`), so a
batch that is written twice is stored once.

A step that an attempt does again, after a rollback or for lack of memory, puts its rows in the
place of those it did first. Where the attempt ends before it is there again, the rows of steps
beyond the last one stay: what was undone and not redone. `metrics.jsonl` has only what counts.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Table,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, UTC in the database and aware in Python; SQLite alone would lose the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the moment in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the moment with its zone."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of the telemetry models."""

    type_annotation_map = {  # noqa: RUF012
        str: Text(),
        int: BigInteger(),
        float: Double(),
        bool: Boolean(),
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True).with_variant(
            JSONB(none_as_null=True), "postgresql"
        ),
    }


class _RowOfARun:
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    run_id: Mapped[str]
    attempt: Mapped[int]
    step: Mapped[int]
    """Optimiser steps done when the row was made, over all attempts of the run."""
    created_at: Mapped[datetime]


class SftMetric(_RowOfARun, Base):
    """One log line of an SFT trainer: of training (`loss`) or of evaluation (`eval_loss`)."""

    __tablename__ = "sft_metrics"
    __table_args__ = (Index("ix_sft_metrics_run", "run_id", "attempt", "step"),)

    epoch: Mapped[float | None]
    loss: Mapped[float | None]
    """None in a row of evaluation."""
    learning_rate: Mapped[float | None]
    grad_norm: Mapped[float | None]
    mean_token_accuracy: Mapped[float | None]
    entropy: Mapped[float | None]
    num_tokens: Mapped[int | None]
    """Tokens seen since the run began."""
    eval_loss: Mapped[float | None]
    """None in a row of training."""
    eval_mean_token_accuracy: Mapped[float | None]


class EpochMetric(_RowOfARun, Base):
    """One log line of a GRPO trainer."""

    __tablename__ = "epoch_metrics"
    __table_args__ = (Index("ix_epoch_metrics_run", "run_id", "attempt", "step"),)

    epoch: Mapped[float | None]
    loss: Mapped[float | None]
    kl: Mapped[float | None]
    """None where no reference policy is kept (`rl.beta` = 0)."""
    reward_mean: Mapped[float | None]
    reward_std: Mapped[float | None]
    zero_std_share: Mapped[float | None]
    """Share of groups whose rewards are all equal, which teach nothing."""
    entropy: Mapped[float | None]
    completion_length: Mapped[float | None]
    """Mean tokens of a completion."""
    truncated_share: Mapped[float | None]
    """Share of completions cut at `rl.max_completion_length`."""
    clip_ratio: Mapped[float | None]
    """Share of tokens whose importance ratio was clipped."""
    learning_rate: Mapped[float | None]
    grad_norm: Mapped[float | None]
    num_tokens: Mapped[int | None]


class Rollout(_RowOfARun, Base):
    """One prompt and the group of completions that was sampled for it."""

    __tablename__ = "rollouts"
    __table_args__ = (Index("ix_rollouts_run", "run_id", "attempt", "step"),)

    phase: Mapped[str]
    """`rl`, or `eval` for an evaluation inside the RL trainer."""
    group_index: Mapped[int]
    """Place of the group in its round of sampling, from 0; a step of several rounds (further ones
    for `rl.filter_zero_variance`, too) has a group 0 of each."""
    prompt: Mapped[str]
    """The prompt's text; JSON for a list of messages."""
    reward_mean: Mapped[float | None]
    """Mean of the completions' total rewards; None when none of them could be scored."""
    reward_std: Mapped[float | None]
    """Their standard deviation with n - 1, as GRPO takes it."""


class Generation(_RowOfARun, Base):
    """One completion: of a rollout (`rl`), or of an evaluation (`eval`)."""

    __tablename__ = "generations"
    __table_args__ = (
        Index("ix_generations_run", "run_id", "attempt", "phase", "step"),
        Index("ix_generations_rollout", "rollout_id"),
    )

    phase: Mapped[str]
    rollout_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("rollouts.id"))
    """None for a completion of an Eval job."""
    index: Mapped[int]
    """Place in its group, from 0; for Eval the number of the sample."""
    completion: Mapped[str]
    tokens: Mapped[int | None]
    """Tokens of the completion; None when not known."""
    reward: Mapped[float | None]
    """Weighted sum of the rewards; None when no function applied."""
    rewards: Mapped[dict[str, Any] | None]
    """Reward function to its unweighted value; null where it did not apply."""
    row_id: Mapped[str | None]
    """Id of the dataset's row (Eval)."""
    prompt: Mapped[str | None]
    """The prompt (Eval); a rollout holds it once for its whole group."""
    scores: Mapped[dict[str, Any] | None]
    """What the task's metrics said about this completion (Eval), `{"correct": true}`."""


TABLES: dict[str, Table] = {table.name: table for table in Base.metadata.sorted_tables}
"""By name, a table that others refer to before those."""
