"""What prompts can show, against published values and statsmodels."""

import itertools

import pytest

from tenyson.evaluation.power import (
    mcnemar_power,
    prompts_for_mean,
    prompts_for_shares,
    smallest_mean_difference,
    smallest_share_difference,
)
from tenyson.evaluation.statistics import mcnemar_exact, sign_flip_test


def test_mcnemars_power_is_the_sum_over_all_that_may_happen() -> None:
    n, better, worse = 9, 0.6, 0.1
    chances = {1: better, -1: worse, 0: 1 - better - worse}
    found = 0.0
    for outcome in itertools.product(chances, repeat=n):
        before = [1.0 if x < 0 else 0.0 for x in outcome]
        after = [1.0 if x > 0 else 0.0 for x in outcome]
        if outcome.count(1) + outcome.count(-1) < 6:
            continue  # fewer coins than that are never unfair
        if mcnemar_exact_is_found(outcome.count(1), outcome.count(-1), before, after):
            chance = 1.0
            for x in outcome:
                chance *= chances[x]
            found += chance

    assert mcnemar_power(n, better, worse) == pytest.approx(found, rel=1e-9)


KNOWN: dict[tuple[int, int], bool] = {}


def mcnemar_exact_is_found(
    better: int, worse: int, before: list[float], after: list[float]
) -> bool:
    if (better, worse) not in KNOWN:
        KNOWN[better, worse] = mcnemar_exact(before, after).p_value < 0.05
    return KNOWN[better, worse]


def test_without_a_difference_no_more_than_alpha_is_found() -> None:
    for n in (10, 50, 200, 1000):
        assert mcnemar_power(n, 0.2, 0.2) <= 0.05
        assert mcnemar_power(n, 0.2, 0.2, alpha=0.01) <= 0.01
    assert mcnemar_power(200, 0, 0) == 0


def test_five_prompts_show_nothing_and_six_a_change_of_all() -> None:
    assert smallest_share_difference(5, 0.5) is None
    assert smallest_share_difference(6, 0.5) == pytest.approx(0.8 ** (1 / 6), abs=1e-6)


def test_the_smallest_share_difference_is_found_in_8_of_10() -> None:
    for n, decided in [(50, 0.1), (200, 0.3), (1000, 0.5)]:
        smallest = smallest_share_difference(n, decided)
        assert smallest is not None
        worse = (max(decided, smallest) - smallest) / 2
        assert mcnemar_power(n, worse + smallest, worse) == pytest.approx(0.8, abs=1e-6)


def test_prompts_for_shares_agree_with_the_formula_of_connor() -> None:
    from scipy.stats import norm

    for better, worse in [(0.2, 0.1), (0.15, 0.05), (0.1, 0.09)]:
        decided, difference = better + worse, better - worse
        formula = (
            norm.ppf(0.975) * decided**0.5 + norm.ppf(0.8) * (decided - difference**2) ** 0.5
        ) ** 2 / difference**2
        needed = prompts_for_shares(better, worse)
        # The exact test is somewhat stricter than the approximation behind the formula.
        assert needed is not None
        assert formula * 0.97 <= needed <= formula * 1.12 + 10
    assert prompts_for_shares(0.1, 0.1) is None
    assert prompts_for_shares(0.1, 0.1001) is None


def test_means_agree_with_the_published_sample_sizes() -> None:
    # G*Power 3.1 manual, and Cohen (1988), table 2.4.1: paired, two-sided, power 0.8.
    assert [prompts_for_mean(d, 1.0) for d in (0.2, 0.5, 0.8)] == [199, 34, 15]
    assert prompts_for_mean(-0.5, 1.0) == 34
    assert prompts_for_mean(0.05, 0.1) == 34
    assert prompts_for_mean(0.0, 1.0) is None
    assert prompts_for_mean(0.3, 0.0) == 6


def test_the_smallest_mean_difference_agrees_with_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    for n, alpha in [(10, 0.05), (34, 0.05), (200, 0.01), (5000, 0.05)]:
        effect = TTestPower().solve_power(nobs=n, alpha=alpha, power=0.8)
        found = smallest_mean_difference(n, 0.25, alpha=alpha)
        assert found == pytest.approx(0.25 * effect, rel=1e-4)
    assert smallest_mean_difference(1, 0.25) is None


def test_no_size_is_named_that_the_sign_flips_cannot_show_or_nothing_tells() -> None:
    before, after = [0.1] * 5, [100.0, 200.0, 300.0, 400.0, 500.0]
    assert sign_flip_test(before, after).p_value > 0.05
    assert smallest_mean_difference(5, 0.25) is None
    assert smallest_mean_difference(6, 0.25) is not None
    assert smallest_mean_difference(6, 0.25, alpha=0.05 / 2) is None
    assert prompts_for_mean(1e6, 1.0) == 6
    assert prompts_for_mean(0.3, 0.0, alpha=0.05 / 2) == 7
    assert smallest_mean_difference(50, 0.0) is None


def test_shares_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to at most 1"):
        mcnemar_power(10, 0.7, 0.7)
