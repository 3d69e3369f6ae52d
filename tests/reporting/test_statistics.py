"""Intervals and tests, against reference values."""

import random
import subprocess
import sys

import pytest

from tenyson.evaluation.statistics import (
    holm,
    mcnemar_exact,
    mean_interval,
    paired_difference,
    paired_test,
    sign_flip_test,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(
    successes: int, n: int, low: float, high: float
) -> None:
    found = wilson_interval(successes, n)
    assert (found.value, found.n) == (successes / n, n)
    assert found.low == pytest.approx(low, abs=6e-5)
    assert found.high == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_a_share_of_nothing_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= successes <= n"):
        wilson_interval(successes, n)


def pairs(better: int, worse: int, same: int) -> tuple[list[float], list[float]]:
    before = [0.0] * better + [1.0] * worse + [1.0] * same
    after = [1.0] * better + [0.0] * worse + [1.0] * same
    return before, after


def test_mcnemar_counts_only_the_prompts_on_which_models_disagree() -> None:
    found = mcnemar_exact(*pairs(10, 2, 50))
    ways = 1 + 12 + 66  # of 12 coins, to show at most 2 heads
    assert found.p_value == pytest.approx(2 * ways / 2**12)
    assert (found.better, found.worse, found.same) == (10, 2, 50)
    assert mcnemar_exact(*pairs(10, 2, 5000)).p_value == found.p_value
    assert mcnemar_exact(*pairs(0, 0, 5)).p_value == 1.0
    assert mcnemar_exact(*pairs(3, 3, 5)).p_value == pytest.approx(1.0)


def test_mcnemar_agrees_with_statsmodels() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    for better, worse in [(30, 11), (5, 0), (1, 9)]:
        expected = mcnemar([[20, worse], [better, 20]], exact=True).pvalue
        assert mcnemar_exact(*pairs(better, worse, 20)).p_value == pytest.approx(expected)


def test_mcnemar_wants_right_or_wrong() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        mcnemar_exact([0.5], [1.0])


def test_the_bootstrap_agrees_with_scipys_and_repeats_itself() -> None:
    import numpy as np
    from scipy.stats import bootstrap

    rng = random.Random(1)
    before = [rng.random() for _ in range(200)]
    after = [b + rng.gauss(0.05, 0.2) for b in before]
    found = paired_difference(before, after)
    differences = np.array(after) - np.array(before)
    reference = bootstrap((differences,), np.mean, method="percentile", rng=2).confidence_interval
    assert found.value == pytest.approx(differences.mean())
    assert found.low == pytest.approx(reference.low, abs=0.002)
    assert found.high == pytest.approx(reference.high, abs=0.002)
    assert paired_difference(before, after) == found
    assert paired_difference(before, after, seed=1) != found


@pytest.mark.parametrize("values", [[0.25] * 40, [0.7], [0.1 + 0.2, 0.3, 0.3]])
def test_numbers_that_do_not_vary_have_no_interval(values: list[float]) -> None:
    found = mean_interval(values)
    assert found.value == pytest.approx(values[-1])
    assert (found.low, found.high) == (None, None)


def test_a_difference_of_shares_is_never_told_to_be_exact() -> None:
    none = paired_difference(*pairs(0, 0, 40))
    assert none.value == 0
    assert [none.low, none.high] == pytest.approx([-0.0660, 0.0660], abs=1e-4)
    all_of_3 = paired_difference(*pairs(3, 0, 0))
    assert (all_of_3.value, all_of_3.high) == (1.0, 1.0)
    assert all_of_3.low is not None
    assert all_of_3.low < 0.1


@pytest.mark.parametrize(("n", "better", "worse"), [(20, 0.1, 0.0), (50, 0.1, 0.05)])
def test_the_interval_of_a_difference_of_shares_holds_it_in_95_of_100(
    n: int, better: float, worse: float
) -> None:
    from scipy.stats import multinomial

    held = 0.0
    for b in range(n + 1):
        for w in range(n + 1 - b if worse else 1):
            found = paired_difference(*pairs(b, w, n - b - w))
            assert found.low is not None
            assert found.high is not None
            if found.low <= better - worse <= found.high:
                held += multinomial.pmf([b, w, n - b - w], n, [better, worse, 1 - better - worse])
    assert held >= 0.94


def test_the_sign_flip_test_agrees_with_scipys_exact_one() -> None:
    import numpy as np
    from scipy.stats import permutation_test

    before, after = [0.1, 0.4, 0.3, 0.9, 0.2, 0.5], [0.2, 0.6, 0.35, 0.8, 0.6, 0.9]
    exact = permutation_test(
        (np.array(after), np.array(before)),
        lambda a, b: (a - b).mean(),
        permutation_type="samples",
        n_resamples=np.inf,
    ).pvalue
    assert sign_flip_test(before, after).p_value == pytest.approx(exact, abs=0.01)
    assert sign_flip_test(before, before).p_value == 1.0


def test_the_test_is_chosen_by_the_scores() -> None:
    assert paired_test([0, 1], [1, 1]).method == "McNemar, exact"
    assert paired_test([0, 0.5], [1, 1]).method == "sign-flip permutation"


def test_holm_adjusts_by_rank_and_keeps_the_order() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_holm_and_wilson_agree_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    rng = random.Random(3)
    for count in (1, 2, 5, 30):
        p_values = [rng.random() ** 3 for _ in range(count)]
        assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    for successes, n in [(0, 7), (3, 7), (7, 7), (50, 1000)]:
        found = wilson_interval(successes, n, 0.9)
        expected = proportion_confint(successes, n, alpha=0.1, method="wilson")
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("before", "after"), [([1.0], [1.0, 0.0]), ([], []), ([float("nan")], [1.0])]
)
def test_numbers_that_do_not_pair_are_refused(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match=r"paired numbers|at least one number"):
        paired_difference(before, after)


def test_without_a_difference_the_paired_test_seldom_finds_one() -> None:
    rng = random.Random(7)
    found = 0
    for _ in range(400):
        before = [float(rng.random() < 0.4) for _ in range(100)]
        after = [b if rng.random() < 0.6 else float(rng.random() < 0.4) for b in before]
        found += mcnemar_exact(before, after).p_value < 0.05
    assert found / 400 <= 0.07  # 5 % and two standard errors


def test_importing_the_statistics_loads_no_numerical_library() -> None:
    code = (
        "import sys, tenyson.evaluation.statistics, tenyson.reporting; "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'statsmodels', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
