"""Several samples a prompt: prompts are what is drawn, with all of their samples.

Samples of one prompt are alike; counted one by one they would make every interval too narrow.
"""

from collections.abc import Sequence

from tenyson.evaluation.statistics import (
    RESAMPLES,
    Estimate,
    mean_interval,
    paired_difference,
    wilson_interval,
)

Samples = Sequence[Sequence[float]]
"""For each prompt the scores of its samples."""


def prompt_means(samples: Samples) -> list[float]:
    """Returns each prompt's mean score.

    Raises:
        ValueError: A prompt has no sample.
    """
    if not all(samples):
        raise ValueError("every prompt needs at least one sample")
    return [sum(drawn) / len(drawn) for drawn in samples]


def clustered_mean(
    samples: Samples, confidence: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Returns the mean over prompts with an interval of the bootstrap that draws whole prompts.

    Every prompt weighs the same, however many samples it has; then drawing a prompt with its
    samples is drawing its mean. Where each prompt's samples are all right or all wrong, the
    interval is Wilson's for the share of prompts.

    Source: Davison, Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8.
    """
    means = prompt_means(samples)
    if {*means, *(score for drawn in samples for score in drawn)} <= {0, 1}:
        return wilson_interval(int(sum(means)), len(means), confidence)
    return mean_interval(means, confidence, resamples=resamples, seed=seed)


def clustered_difference(
    before: Samples,
    after: Samples,
    confidence: float = 0.95,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Returns the mean difference prompt by prompt, with an interval as `clustered_mean`'s.

    Args:
        before: For each prompt the scores of its samples.
        after: The other model's for the same prompts, in the same order.
        confidence: Of the interval.
        resamples: Draws of the bootstrap.
        seed: Of the draws.
    """
    means = prompt_means(before), prompt_means(after)
    return paired_difference(*means, confidence, resamples=resamples, seed=seed)
