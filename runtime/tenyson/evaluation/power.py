"""How small a difference could have been found, and how many prompts a smaller one takes.

Differences here are positive; the tests are two-sided, so the same holds for losses.
"""

import math
from collections.abc import Callable
from itertools import count
from typing import Any

POWER = 0.8
"""How often a difference of the size in question is to be found."""
MOST_PROMPTS = 1_000_000
"""No more are counted up to."""
_STEPS = 26
"""Of a bisection: from 1 down to 1e-8."""
_LARGEST_EFFECT = 1e3
"""In standard deviations."""


def fewest_prompts(alpha: float = 0.05) -> int:
    """Returns how many prompts a paired test needs to find even what is the same on every one.

    Of fewer, the smallest p-value that can come out is not below alpha: that of n signs or coins
    which all fall on one side is 2 / 2**n.
    """
    return next(n for n in count(1) if 2.0 ** (1 - n) < alpha)


def mcnemar_power(n: int, better: float, worse: float, alpha: float = 0.05) -> float:
    """Returns how often McNemar's exact test finds a difference, over all ways it may come out.

    Args:
        n: Prompts.
        better: Share of prompts that the second model alone gets right.
        worse: Share that the first alone gets right.
        alpha: P-value below which the test finds one.

    Raises:
        ValueError: The shares are none.

    Source: Duffy, "Asymptotic and exact power for the McNemar test and its analogue with R
    controls per case", Biometrics 40 (1984).
    """
    import numpy as np
    from scipy.stats import binom

    decided = better + worse
    if n < 1 or min(better, worse) < 0 or decided > 1 + 1e-12:
        raise ValueError(f"expected shares that add up to at most 1, got {better} and {worse}")
    decided = min(decided, 1.0)
    if not decided:
        return 0.0
    low, high = (int(edge) for edge in (binom.ppf(1e-12, n, decided), binom.isf(1e-12, n, decided)))
    counts = np.arange(max(1, low), high + 1)
    # The most heads that are too few to be a fair coin's; below 0 where no outcome is.
    few = binom.ppf(alpha / 2, counts, 0.5) - 1
    share = better / decided
    found = binom.cdf(few, counts, share) + binom.sf(counts - few - 1, counts, share)
    return float((binom.pmf(counts, n, decided) * found).sum())


def smallest_share_difference(
    n: int, decided: float, *, power: float = POWER, alpha: float = 0.05
) -> float | None:
    """Returns the smallest difference of two shares that McNemar's exact test finds so often.

    Args:
        n: Prompts.
        decided: Share of prompts on which the models disagree; where a difference is greater,
            all of it is on such prompts, and there are as many.
        power: How often it is to be found.
        alpha: P-value below which the test finds one.

    Returns:
        The difference, between 0 and 1; None where even 1 would not be found: too few prompts.
    """

    def reaches(difference: float) -> bool:
        all_decided = max(decided, difference)
        worse = (all_decided - difference) / 2
        return mcnemar_power(n, worse + difference, worse, alpha) >= power

    return _smallest(reaches)


def prompts_for_shares(
    better: float, worse: float, *, power: float = POWER, alpha: float = 0.05
) -> int | None:
    """Returns how many prompts McNemar's exact test needs to find a difference so often.

    Args:
        better: Share of prompts that the second model alone gets right.
        worse: Share that the first alone gets right.
        power: How often it is to be found.
        alpha: P-value below which the test finds one.

    Returns:
        About that many: power does not grow with every single prompt. None where there is no
        difference to find, or more than `MOST_PROMPTS` are needed.
    """
    if better == worse:
        return None
    return _fewest(lambda n: mcnemar_power(n, better, worse, alpha) >= power)


def smallest_mean_difference(
    n: int, deviation: float, *, power: float = POWER, alpha: float = 0.05
) -> float | None:
    """Returns the smallest mean difference that a paired test finds so often.

    The t-test's; that of the signs which are flipped comes close from some ten prompts on.

    Args:
        n: Prompts.
        deviation: Standard deviation of the differences, prompt by prompt.
        power: How often it is to be found.
        alpha: P-value below which the test finds one.

    Returns:
        The difference, in the score's unit; None where the prompts are fewer than
        `fewest_prompts`, or the differences do not deviate, which tells nothing.

    Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988), section 2.5.
    """
    if n < fewest_prompts(alpha) or deviation == 0:
        return None
    most = 1 / n**0.5
    while _mean_power(n, most, alpha) < power:
        most *= 2
        if most > _LARGEST_EFFECT:
            return None
    found = _smallest(lambda share: _mean_power(n, share * most, alpha) >= power)
    return None if found is None else found * most * deviation


def prompts_for_mean(
    difference: float, deviation: float, *, power: float = POWER, alpha: float = 0.05
) -> int | None:
    """Returns how many prompts a paired test needs to find a mean difference so often.

    Args:
        difference: Of the means; its sign does not matter.
        deviation: Standard deviation of the differences, prompt by prompt.
        power: How often it is to be found.
        alpha: P-value below which the test finds one.

    Returns:
        None where there is no difference to find, or more than `MOST_PROMPTS` are needed.
    """
    if difference == 0:
        return None
    if deviation == 0:
        return fewest_prompts(alpha)
    effect = abs(difference) / deviation
    return _fewest(lambda n: _mean_power(n, effect, alpha) >= power)


def _mean_power(n: int, effect: float, alpha: float) -> float:
    if n < fewest_prompts(alpha):
        return 0.0
    from statsmodels.stats.power import TTestPower

    test: Any = TTestPower()
    found = float(test.power(effect, n, alpha, alternative="two-sided"))
    # Of great effects the noncentral distribution is not computed: they are found.
    return 1.0 if math.isnan(found) else found


def _smallest(reaches: Callable[[float], bool]) -> float | None:
    """Returns the smallest number up to 1 that reaches; None where 1 does not."""
    if not reaches(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _fewest(reaches: Callable[[int], bool]) -> int | None:
    """Returns about the smallest count that reaches; None where none up to the most does."""
    high = 1
    while not reaches(high):
        high *= 2
        if high > MOST_PROMPTS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high
