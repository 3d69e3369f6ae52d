"""What may be concluded from two models' answers to the same prompts: intervals and paired tests.

One number a prompt goes in: with several samples a prompt, their mean, so that prompts and not
samples are what is drawn. The numerical libraries are imported when a function is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RESAMPLES = 10_000
_ROUNDING = 1e-12
"""Numbers that differ by less, as a share of the greatest, are equal."""
_CELLS = 5_000_000
"""Numbers held at once while resampling, 40 MB."""


@dataclass(frozen=True)
class Estimate:
    """A number and the interval around it; none where the numbers do not tell how sure it is."""

    value: float
    low: float | None
    high: float | None
    confidence: float
    n: int
    """Prompts that it comes from."""


@dataclass(frozen=True)
class PairedTest:
    """Whether two models differ on the same prompts."""

    better: int
    """Prompts on which the second model scores higher."""
    worse: int
    same: int
    p_value: float
    """Two-sided: how often a difference as large would come up if the models were equal."""
    method: str


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Returns the share of successes with Wilson's score interval.

    Raises:
        ValueError: `n` is below 1, or `successes` is not between 0 and `n`.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")
    found = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    # At the ends the formula gives them exactly, and floating point nearly.
    low, high = (0.0 if successes == 0 else found.low), (1.0 if successes == n else found.high)
    return Estimate(successes / n, float(low), float(high), confidence, n)


def mean_interval(
    values: Sequence[float],
    confidence: float = 0.95,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Returns the mean with the bootstrap's percentile interval.

    Of one number, or of numbers that are all equal, every draw has the same mean. That is no
    interval, and none is given.

    Source: Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    import numpy as np

    data = _finite("values", values)
    if np.ptp(data) <= _ROUNDING * np.abs(data).max():
        return Estimate(float(data.mean()), None, None, confidence, len(data))
    means = _resampled_means(data, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(data.mean()), float(low), float(high), confidence, len(data))


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    confidence: float = 0.95,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Returns the mean of `after` minus `before` prompt by prompt, with an interval.

    It is Bonett and Price's where every number is 0 or 1, else a bootstrap's.

    Args:
        before: One number a prompt.
        after: The other model's numbers for the same prompts, in the same order.
        confidence: Of the interval.
        resamples: Draws of the bootstrap.
        seed: Of the draws; the same numbers give the same interval.
    """
    differences = _differences(before, after)
    if {*before, *after} <= {0, 1}:
        return _share_difference(before, after, confidence)
    return mean_interval(list(differences), confidence, resamples=resamples, seed=seed)


def _share_difference(
    before: Sequence[float], after: Sequence[float], confidence: float
) -> Estimate:
    """Returns the difference of two paired shares with the adjusted Wald interval.

    Source: Bonett, Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", J. Educ. Behav. Stat. 37 (2012).
    """
    from scipy.stats import norm

    better, worse, same = _win_loss_tie(before, after)
    n = better + worse + same
    gained, lost = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    middle = gained - lost
    error = ((gained + lost - middle**2) / (n + 2)) ** 0.5
    half = float(norm.ppf((1 + confidence) / 2)) * error
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    return Estimate((better - worse) / n, low, high, confidence, n)


def mcnemar_exact(before: Sequence[float], after: Sequence[float]) -> PairedTest:
    """Returns McNemar's exact test for right-or-wrong answers.

    Only prompts on which the models disagree count; under equality each is a fair coin.

    Raises:
        ValueError: A number is neither 0 nor 1, or the lengths differ.

    Source: McNemar, "Note on the sampling error of the difference between correlated
    proportions", Psychometrika 12 (1947); the exact form is a two-sided binomial test.
    """
    from scipy.stats import binomtest

    if not {*before, *after} <= {0, 1}:
        raise ValueError("McNemar's test wants 0 or 1 for every prompt")
    better, worse, same = _win_loss_tie(before, after)
    decided = better + worse
    p_value = float(binomtest(better, decided, 0.5).pvalue) if decided else 1.0
    return PairedTest(better, worse, same, p_value, "McNemar, exact")


def sign_flip_test(
    before: Sequence[float], after: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> PairedTest:
    """Returns the paired permutation test of the mean difference, for scores of any kind.

    Under equality each difference might as well have the other sign. The smallest value that it
    can return is 1 / (resamples + 1).

    Source: Good, "Permutation, Parametric, and Bootstrap Tests of Hypotheses" (2005), 3.2; the
    added 1: Phipson, Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).
    """
    import numpy as np

    differences = _differences(before, after)
    better, worse, same = _win_loss_tie(before, after)
    rng = np.random.default_rng(seed)
    observed = abs(differences.sum())
    as_large = 0
    for count in _chunks(resamples, len(differences)):
        signs = rng.integers(0, 2, size=(count, len(differences))) * 2 - 1
        # A hair less than observed, or rounding would hide exact ties.
        as_large += int((np.abs(signs @ differences) >= observed * (1 - 1e-12)).sum())
    p_value = (as_large + 1) / (resamples + 1)
    return PairedTest(better, worse, same, p_value, "sign-flip permutation")


def paired_test(before: Sequence[float], after: Sequence[float], *, seed: int = 0) -> PairedTest:
    """Returns McNemar's exact test for 0/1 scores, else the sign-flip test."""
    if {*before, *after} <= {0, 1}:
        return mcnemar_exact(before, after)
    return sign_flip_test(before, after, seed=seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values adjusted for being several, in their order.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6
    (1979).
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _resampled_means(data: Any, resamples: int, rng: Any) -> Any:
    """Means of samples drawn with replacement: only how often each value comes up matters."""
    import numpy as np

    values, counts = np.unique(data, return_counts=True)
    shares = counts / len(data)
    parts = [
        rng.multinomial(len(data), shares, size=count) @ values / len(data)
        for count in _chunks(resamples, len(values))
    ]
    return np.concatenate(parts)


def _chunks(total: int, width: int) -> list[int]:
    step = max(1, _CELLS // max(1, width))
    return [min(step, total - start) for start in range(0, total, step)]


def _win_loss_tie(before: Sequence[float], after: Sequence[float]) -> tuple[int, int, int]:
    differences = _differences(before, after)
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return better, worse, len(differences) - better - worse


def _differences(before: Sequence[float], after: Sequence[float]) -> Any:
    if len(before) != len(after):
        raise ValueError(
            f"paired numbers are wanted for the same prompts, got {len(before)} and {len(after)}"
        )
    return _finite("after", after) - _finite("before", before)


def _finite(name: str, values: Sequence[float]) -> Any:
    import numpy as np

    data = np.asarray(values, dtype=float)
    if not len(data) or not np.isfinite(data).all():
        raise ValueError(f"{name}: expected at least one number, all of them finite")
    return data
