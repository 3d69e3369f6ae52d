"""What the model said: groups of completions in RL, their rewards, samples of an evaluation."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from tenyson.telemetry.tables.base import AnyText, Base, RowOfAStep


class Rollout(RowOfAStep, Base):
    """One prompt and the group of completions that was sampled for it."""

    __tablename__ = "rollouts"
    __table_args__ = (
        Index("ix_rollouts_run", "run_id", "attempt", "step"),
        Index("ix_rollouts_step", "run_id", "phase", "step"),
        Index("ix_rollouts_reward", "run_id", "phase", "reward_mean"),
        Index(
            "ix_rollouts_zero",
            *("run_id", "step"),
            postgresql_where=text("zero_variance"),
            sqlite_where=text("zero_variance"),
        ),
    )

    phase: Mapped[str]
    """`rl`, or `eval` for an evaluation inside the RL trainer."""
    group_index: Mapped[int]
    """Place of the group in its round of sampling, from 0."""
    sampling_round: Mapped[int] = mapped_column(server_default="0")
    """Number of the round within its step, from 0; `rl.filter_zero_variance` adds rounds, too."""
    prompt: Mapped[str]
    """The prompt's text; JSON for a list of messages."""
    prompt_hash: Mapped[str] = mapped_column(server_default="")
    """16 digits of the SHA-256 of the prompt as it is stored: the same prompt, the same hash."""
    reward_mean: Mapped[float | None]
    """Mean of the completions' total rewards; None when none of them could be scored."""
    reward_std: Mapped[float | None]
    """Their standard deviation with n - 1, as GRPO takes it."""
    zero_variance: Mapped[bool | None]
    """Whether all rewards are equal, so that the group teaches nothing; None without rewards."""
    policy_version: Mapped[int | None]
    """Optimiser steps of the weights that sampled; None where that is not known."""


class Generation(RowOfAStep, Base):
    """One completion: of a rollout (`rl`), or of an evaluation (`eval`)."""

    __tablename__ = "generations"
    __table_args__ = (
        Index("ix_generations_run", "run_id", "phase", "step"),
        Index("ix_generations_rollout", "rollout_id"),
    )

    phase: Mapped[str]
    rollout_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("rollouts.id"))
    """None for a completion of an Eval job."""
    index: Mapped[int]
    """Place in its group, from 0; for Eval the number of the sample."""
    completion: Mapped[str | None]
    """None where `telemetry.keep` did not keep the group's text; its numbers are all here."""
    tokens: Mapped[int | None]
    """Tokens of the completion; None when not known."""
    truncated: Mapped[bool | None]
    """Whether it was cut at the longest that was allowed; None when not known."""
    reward: Mapped[float | None]
    """Weighted sum of the reward components; None when no function applied."""
    advantage: Mapped[float | None]
    logprob_gap: Mapped[float | None]
    """Mean |log p of the sampler - log p of the trainer| over its tokens."""
    latency_seconds: Mapped[float | None]
    extras: Mapped[dict[str, Any] | None]


class RewardComponent(Base):
    """What one reward function said of one completion."""

    __tablename__ = "reward_components"
    __table_args__ = (Index("ix_reward_components_run", "run_id", "name", "step"),)

    generation_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("generations.id"), primary_key=True
    )
    name: Mapped[str] = mapped_column(AnyText(), primary_key=True)
    """The reward function."""
    run_id: Mapped[str]
    step: Mapped[int]
    created_at: Mapped[datetime]
    value: Mapped[float | None]
    """Before its weight; None where the function did not apply."""
    weight: Mapped[float | None]
    """None where it is not known: in rows of before version 2 of the schema."""


class EvalSample(RowOfAStep, Base):
    """What an Eval job asked and how the answer was scored; the answer is its generation's."""

    __tablename__ = "eval_samples"
    __table_args__ = (
        Index("ix_eval_samples_step", "run_id", "attempt", "step"),
        Index("ix_eval_samples_run", "run_id", "row_id"),
        Index("ix_eval_samples_generation", "generation_id"),
    )

    generation_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("generations.id"))
    """The same as `id`."""
    row_id: Mapped[str]
    """Id of the dataset's row."""
    sample_index: Mapped[int]
    """Number of the sample for this prompt, from 0."""
    model: Mapped[str]
    """Label of the model, `base` or `sft`; empty where the run evaluates one model alone."""
    prompt: Mapped[str]
    prompt_hash: Mapped[str]
    expected_answer: Mapped[str | None]
    scores: Mapped[dict[str, Any]]
    """What the task's metrics said about this completion, `{"correct": true}`."""
