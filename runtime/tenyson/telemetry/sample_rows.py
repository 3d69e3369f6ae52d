"""From what a model said to rows: rollouts, generations, reward components, samples of an Eval."""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tenyson.telemetry.rows import Row, RunKey, as_text
from tenyson.telemetry.samples import Completion, EvalSample, PromptGroup
from tenyson.telemetry.text import prompt_hash

_ZERO = 1e-8
"""Below it a standard deviation of rewards is none, as TRL takes it."""


def rollout_rows(
    run: RunKey,
    step: int,
    groups: Sequence[PromptGroup],
    *,
    phase: str,
    sampling_round: int,
    weights: Mapping[str, float] | None = None,
    policy_version: int | None = None,
    moment: datetime | None = None,
) -> list[Row]:
    """Returns the rows of one round of sampling, a row before those that refer to it.

    Args:
        run: The attempt.
        step: Optimiser steps done.
        groups: The groups of the round.
        phase: `rl` or `eval`.
        sampling_round: Number of the round within the step, from 0.
        weights: Of the reward functions, by name; None where they are not known.
        policy_version: Optimiser steps of the weights that sampled.
        moment: When it was sampled; None is now.
    """
    moment = moment or datetime.now(UTC)
    rows: list[Row] = []
    for group in groups:
        key = (phase, sampling_round, group.index)
        about = {
            "phase": phase,
            "sampling_round": sampling_round,
            "policy_version": policy_version,
            **_rollout_values(group),
        }
        rollout = run.row("rollouts", step, key, about, moment)
        rows.append(rollout)
        for index, completion in enumerate(group.completions):
            values = {
                "phase": phase,
                "rollout_id": rollout.values["id"],
                "index": index,
                **_generation_values(completion),
            }
            generation = run.row("generations", step, (*key, index), values, moment)
            rows.append(generation)
            rows += _component_rows(generation, completion, weights or {})
    return rows


def eval_rows(
    run: RunKey, step: int, samples: Sequence[EvalSample], moment: datetime | None = None
) -> list[Row]:
    """Returns for each sample a `generations` row of phase `eval` and an `eval_samples` row."""
    moment = moment or datetime.now(UTC)
    rows: list[Row] = []
    for sample in samples:
        # A run of before version 2 wrote the label into the row's id: the same sample, the same id.
        row_id = f"{sample.model}/{sample.row_id}" if sample.model else sample.row_id
        key = ("eval", row_id, sample.sample_index)
        generation = run.row("generations", step, key, _answer_values(sample), moment)
        asked = run.row("eval_samples", step, key, _question_values(sample), moment).values
        same_id = {"id": generation.values["id"], "generation_id": generation.values["id"]}
        rows += [generation, Row("eval_samples", asked | same_id)]
    return rows


def sample_deviation(values: Sequence[float]) -> float | None:
    """Returns the standard deviation with n - 1; 0 for one value, None for none."""
    if len(values) < 2:
        return 0.0 if values else None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def is_zero_variance(deviation: float | None) -> bool | None:
    """Whether rewards of this standard deviation are all equal; None where there are none."""
    return None if deviation is None else deviation < _ZERO


def _rollout_values(group: PromptGroup) -> dict[str, Any]:
    totals = [c.total for c in group.completions if c.total is not None]
    deviation = sample_deviation(totals)
    return {
        "group_index": group.index,
        "prompt": group.prompt,
        "prompt_hash": prompt_hash(group.prompt),
        "reward_mean": statistics.fmean(totals) if totals else None,
        "reward_std": deviation,
        "zero_variance": is_zero_variance(deviation),
    }


def _generation_values(completion: Completion) -> dict[str, Any]:
    return {
        "completion": completion.text,
        "tokens": completion.tokens,
        "truncated": completion.truncated,
        "reward": completion.total,
        "advantage": completion.advantage,
        "logprob_gap": completion.logprob_gap,
        "latency_seconds": completion.latency_seconds,
        "extras": None if completion.extras is None else dict(completion.extras),
    }


def _component_rows(
    generation: Row, completion: Completion, weights: Mapping[str, float]
) -> list[Row]:
    shared = {name: generation.values[name] for name in ("run_id", "step", "created_at")}
    shared["generation_id"] = generation.values["id"]
    return [
        Row(
            "reward_components",
            {**shared, "name": name, "value": value, "weight": weights.get(name)},
        )
        for name, value in completion.rewards.items()
    ]


def _answer_values(sample: EvalSample) -> dict[str, Any]:
    return {
        "phase": "eval",
        "index": sample.sample_index,
        "completion": as_text(sample.completion),
        "tokens": sample.tokens,
        "truncated": sample.truncated,
        "latency_seconds": sample.latency_seconds,
    }


def _question_values(sample: EvalSample) -> dict[str, Any]:
    prompt = as_text(sample.prompt)
    return {
        "row_id": sample.row_id,
        "sample_index": sample.sample_index,
        "model": sample.model,
        "prompt": prompt,
        "prompt_hash": prompt_hash(prompt),
        "expected_answer": sample.expected_answer,
        "scores": dict(sample.scores),
    }
