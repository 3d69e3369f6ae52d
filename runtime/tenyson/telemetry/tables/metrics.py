"""Numbers over steps: everything in long form, and the two wide tables of SFT and GRPO."""

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from tenyson.telemetry.tables.base import Base, RowOfAStep

_SPEED = text("kind = 'system' AND name = 'tokens_per_second'")


class Metric(RowOfAStep, Base):
    """One number of one step."""

    __tablename__ = "metrics"
    __table_args__ = (
        Index("ix_metrics_run", "run_id", "attempt", "step"),
        Index("ix_metrics_name", "run_id", "name", "step"),
        # Begins with the run: with the time first, PostgreSQL takes it for one run's curve, too.
        Index(
            "ix_metrics_speed", "run_id", "created_at", postgresql_where=_SPEED, sqlite_where=_SPEED
        ),
    )

    kind: Mapped[str]
    """`train` or `eval`: what a trainer logs; `phase`: seconds; `system`: tokens/s, cost, …"""
    name: Mapped[str]
    value: Mapped[float | None]
    """SQLite has no NaN and stores null for one."""


class SftMetric(RowOfAStep, Base):
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


class EpochMetric(RowOfAStep, Base):
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
