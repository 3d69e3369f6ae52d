"""How often a verdict is wrong, and how often it finds what is there, over thousands of trials."""

import math
from functools import cache

import numpy as np
import pytest

from tenyson.evaluation.power import mcnemar_power
from tenyson.evaluation.statistics import PairedTest, holm, mcnemar_exact, sign_flip_test
from tenyson.evaluation.verdict import SIGNIFICANT, verdict_of

TRIALS = 2_000
CHANCE = 3 * math.sqrt(SIGNIFICANT * (1 - SIGNIFICANT) / TRIALS)
"""What so many trials may be off by: three standard errors."""


@cache
def paired_shares(better: int, worse: int) -> PairedTest:
    """The verdict's own test; the prompts on which models agree change nothing about it."""
    before = [0.0] * better + [1.0] * worse + [1.0]
    after = [1.0] * better + [0.0] * worse + [1.0]
    return mcnemar_exact(before, after)


@cache
def verdicts(*found: tuple[int, int]) -> list[str]:
    """What is said of metrics of which so many prompts are better, and so many worse."""
    adjusted = holm([paired_shares(*one).p_value for one in found])
    return [verdict_of(b - w, p) for (b, w), p in zip(found, adjusted, strict=True)]


def drawn_shares(
    rng: np.random.Generator, n: int, better: float, worse: float
) -> list[tuple[int, int]]:
    counts = rng.multinomial(n, [better, worse, 1 - better - worse], size=TRIALS)
    return [(int(b), int(w)) for b, w, _ in counts]


@pytest.mark.parametrize(("n", "disagree"), [(50, 0.4), (200, 0.2), (200, 0.5), (1000, 0.1)])
def test_without_a_difference_of_shares_at_most_5_in_100_are_told_of_one(
    n: int, disagree: float
) -> None:
    rng = np.random.default_rng(n)
    told = [verdicts((b, w))[0] for b, w in drawn_shares(rng, n, disagree / 2, disagree / 2)]

    wrong = 1 - told.count("not shown") / TRIALS
    assert wrong <= SIGNIFICANT  # the exact test keeps below it: no allowance for chance
    assert abs(told.count("improved") - told.count("regressed")) / TRIALS <= CHANCE


@pytest.mark.long
def test_without_a_difference_in_four_metrics_at_most_5_in_100_are_told_of_any() -> None:
    rng = np.random.default_rng(4)
    columns = [drawn_shares(rng, 400, 0.25, 0.25) for _ in range(4)]
    wrong = plain = 0
    for found in zip(*columns, strict=True):
        wrong += set(verdicts(*found)) != {"not shown"}
        plain += any(paired_shares(*one).p_value < SIGNIFICANT for one in found)

    assert wrong / TRIALS <= SIGNIFICANT + CHANCE
    assert plain / TRIALS > 2 * SIGNIFICANT  # what is told of without Holm's correction


@pytest.mark.long
@pytest.mark.parametrize("kind", ["means of samples", "skewed scores"])
def test_without_a_difference_of_means_at_most_5_in_100_are_told_of_one(kind: str) -> None:
    rng = np.random.default_rng(7)
    n = 50
    wrong = 0
    for trial in range(TRIALS):
        if kind == "means of samples":
            hard = rng.beta(0.5, 0.5, size=n)
            before, after = (rng.binomial(4, hard) / 4 for _ in range(2))
        else:
            level = rng.exponential(size=n)
            before, after = (level * rng.exponential(size=n) for _ in range(2))
        found = sign_flip_test(list(before), list(after), resamples=499, seed=trial)
        wrong += verdict_of(float(after.mean() - before.mean()), found.p_value) != "not shown"

    assert wrong / TRIALS <= SIGNIFICANT + CHANCE


@pytest.mark.long
@pytest.mark.parametrize(("better", "worse"), [(0.15, 0.05), (0.20, 0.10), (0.10, 0.0)])
def test_ten_points_of_200_prompts_are_found_as_often_as_the_power_says(
    better: float, worse: float
) -> None:
    rng = np.random.default_rng(10)
    told = [verdicts((b, w))[0] for b, w in drawn_shares(rng, 200, better, worse)]

    power = mcnemar_power(200, better, worse, SIGNIFICANT)
    error = math.sqrt(power * (1 - power) / TRIALS)
    found = 1 - told.count("not shown") / TRIALS
    assert found == pytest.approx(power, abs=3 * error + 1e-3)
    assert told.count("regressed") <= 2
