"""What must fit together in a job that learns from rewards: rounds, clipping, losses."""

from collections.abc import Iterator
from typing import Final

from tenyson.config.models import JobConfig
from tenyson.errors import Problem

_WITHOUT_DELTA: Final = ("cispo", "sapo", "vespo")
_SUM_FIRST: Final = "sum_then_normalize"


def rl_batch_problem(config: JobConfig, ranks: int = 1) -> str | None:
    """Why a round of sampling cannot be split into groups; None when it can.

    A group may lie on several ranks: their completions of one round count together.
    """
    micro = config.training.per_device_train_batch_size
    rounds = config.rl.steps_per_generation or config.training.gradient_accumulation_steps
    group = config.rl.num_generations
    total = micro * rounds * ranks
    if total % group:
        on_ranks = f" x {ranks} ranks" if ranks > 1 else ""
        return (
            f"{micro} completions x {rounds} micro-steps{on_ranks} = {total} per round of "
            f"sampling, not divisible by rl.num_generations = {group}; change the batch size, the "
            "accumulation steps or the group size"
        )
    return None


def round_problems(config: JobConfig, ranks: int) -> Iterator[Problem]:
    """Yields what keeps rounds of sampling from being split into groups, steps and ranks."""
    if message := rl_batch_problem(config, ranks):
        yield Problem("training.per_device_train_batch_size", message)
    per_round, per_step = (
        config.rl.steps_per_generation,
        config.training.gradient_accumulation_steps,
    )
    if per_round and max(per_round, per_step) % min(per_round, per_step):
        yield Problem(
            "rl.steps_per_generation",
            f"{per_round} micro-steps per round and training.gradient_accumulation_steps = "
            f"{per_step} do not divide: a step would mix parts of two rounds; make one a multiple "
            "of the other",
        )
    parallel = config.vllm.tensor_parallel_size
    if config.rl.engine != "hf" and ranks % parallel:
        yield Problem(
            "vllm.tensor_parallel_size",
            f"{parallel} GPUs a copy do not divide the {ranks} rank(s) of this run; beside "
            "training, the engine shares the ranks' GPUs",
        )


def clip_problems(config: JobConfig) -> Iterator[Problem]:
    """Yields what the bounds of the importance ratio say against each other."""
    rl = config.rl
    if rl.epsilon_high is not None and rl.epsilon_high < rl.epsilon:
        yield Problem(
            "rl.epsilon_high",
            f"{rl.epsilon_high} is below rl.epsilon = {rl.epsilon}; the range above 1 is at least "
            "as wide as the one below",
        )
    if rl.delta is not None and rl.delta <= 1:
        yield Problem(
            "rl.delta",
            f"{rl.delta} would clip tokens whose probability has not changed, at a ratio of 1; "
            "set it above the clip range, 1 + epsilon_high",
        )
    if rl.reward_weights is not None and not any(rl.reward_weights):
        yield Problem("rl.reward_weights", "all are 0: nothing would be rewarded")


def loss_problems(config: JobConfig) -> Iterator[Problem]:
    """Yields settings that the loss has no place for."""
    rl = config.rl
    if rl.delta is not None and rl.loss_type in _WITHOUT_DELTA:
        yield Problem(
            "rl.delta", f"{rl.delta:g} bounds nothing in rl.loss_type {rl.loss_type}: leave it out"
        )
    if rl.importance_sampling_level == "sequence" and rl.loss_type == "vespo":
        yield Problem(
            "rl.importance_sampling_level",
            "sequence has no part in rl.loss_type vespo, which weighs whole sequences by itself: "
            "leave it out",
        )
    across_groups = rl.scale_rewards == "batch" or rl.multi_objective_aggregation != _SUM_FIRST
    if rl.filter_zero_variance and across_groups:
        yield Problem(
            "rl.filter_zero_variance",
            "needs advantages that are measured within a group: leave it out, or set "
            f"rl.scale_rewards: group and rl.multi_objective_aggregation: {_SUM_FIRST}",
        )
