"""Which metrics of an RL run are watched against a limit, and what a person can do about each."""

from tenyson.config.guards import GuardsConfig
from tenyson.jobs.guards.limits import Limit
from tenyson.jobs.guards.verdict import Advice

DISTINCT_SHARE = "completions/distinct_share"
"""Metric of ours: different completions in a round of sampling, as a share of all."""


def rl_limits(config: GuardsConfig) -> list[Limit]:
    """Returns the guards of a limit, those that are off too."""
    return [
        _entropy(config),
        _zero_variance(config),
        _clipped(config),
        _distinct(config),
        _logprob_gap(config),
    ]


def _entropy(config: GuardsConfig) -> Limit:
    return Limit(
        *("entropy", "entropy", "below", config.entropy_floor, config.patience),
        "the policy's entropy (nats a token)",
        Advice(
            "too high a learning rate, or rewards that one kind of answer satisfies: the policy "
            "says nearly always the same and has stopped to explore",
            "lower training.learning_rate, set rl.entropy_coef (0.01 is usual) or rl.beta, raise "
            "rl.temperature",
        ),
        share_of_start=0.1,
        rewards_must_differ=True,
    )


def _zero_variance(config: GuardsConfig) -> Limit:
    return Limit(
        *("zero_variance", "frac_reward_zero_std", "above"),
        *(config.max_zero_variance_share, config.patience),
        "the share of groups whose completions all earn the same",
        Advice(
            "prompts that are all too easy or too hard, a reward that is constant, or a policy "
            "that says always the same; such groups teach nothing",
            "use prompts of middling difficulty (rl.filter_zero_variance leaves the others out), a "
            "reward with more shades, or more rl.num_generations",
        ),
    )


def _clipped(config: GuardsConfig) -> Limit:
    return Limit(
        *("clipped", "completions/clipped_ratio", "above"),
        *(config.max_clipped_share, config.patience),
        "the share of completions cut at rl.max_completion_length",
        Advice(
            "completions that never end: the limit is short, the end token was not trained, or "
            "length is rewarded",
            "raise rl.max_completion_length, train the end token in SFT first, or set "
            "rl.mask_truncated_completions",
        ),
    )


def _distinct(config: GuardsConfig) -> Limit:
    return Limit(
        *("distinct", DISTINCT_SHARE, "below", config.min_distinct_share, config.patience),
        "the share of different completions in a round of sampling",
        Advice(
            "a policy that answers different prompts alike, which some reward must pay for",
            "look at the completions in telemetry, lower training.learning_rate, set "
            "rl.entropy_coef",
        ),
        share_of_start=0.5,
    )


def _logprob_gap(config: GuardsConfig) -> Limit:
    return Limit(
        *("logprob_gap", "sampling/sampling_logp_difference/mean", "above"),
        *(config.max_logprob_gap, config.patience),
        "the gap between the sampler's and the trainer's log-probabilities (nats a token)",
        Advice(
            "weights that did not reach the sampler, or other number types and kernels in it: the "
            "samples are then not the policy's own",
            "give both the same model.dtype, or sample with rl.engine: hf to compare",
        ),
    )
