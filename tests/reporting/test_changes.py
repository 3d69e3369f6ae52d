"""A metric before and after: intervals over prompts, what could have been shown, Holm."""

import random

import pytest

from tenyson.evaluation.changes import changes_of
from tenyson.evaluation.clustered import clustered_difference, clustered_mean, prompt_means
from tenyson.reporting.delta_markdown import verdict_text


def ones(right: int, of: int) -> list[list[float]]:
    return [[float(i < right)] for i in range(of)]


def test_a_share_that_grew_is_improved_and_its_numbers_are_those_of_the_tests() -> None:
    change = changes_of({"exact": (ones(40, 100), ones(60, 100))})["exact"]

    assert change.verdict == "improved"
    assert change.is_share
    assert (change.test.better, change.test.worse, change.test.same) == (20, 0, 80)
    assert change.difference.value == pytest.approx(0.2)
    assert change.before.low == pytest.approx(0.3094, abs=1e-4)  # Wilson
    assert change.p_adjusted == change.test.p_value == pytest.approx(2**-19)


def test_a_loss_is_regressed_and_no_change_is_not_shown() -> None:
    assert changes_of({"a": (ones(60, 100), ones(40, 100))})["a"].verdict == "regressed"
    same = changes_of({"a": (ones(60, 100), ones(60, 100))})["a"]
    assert (same.verdict, same.prompts_needed) == ("not shown", None)


def test_a_fall_of_what_should_be_low_is_improved_and_its_wins_are_the_falls() -> None:
    columns = {"errors": (ones(60, 100), ones(40, 100)), "right": (ones(60, 100), ones(40, 100))}
    found = changes_of(columns, lower_is_better=["errors"])

    assert (found["errors"].verdict, found["right"].verdict) == ("improved", "regressed")
    assert (found["errors"].won, found["errors"].lost) == (20, 0)
    assert (found["right"].won, found["right"].lost) == (0, 20)
    assert found["errors"].difference.value == pytest.approx(-0.2)
    rise = changes_of({"errors": (ones(40, 100), ones(60, 100))}, lower_is_better=["errors"])
    assert rise["errors"].verdict == "regressed"


def test_a_small_gain_tells_what_could_be_shown_and_what_it_takes() -> None:
    change = changes_of({"a": (ones(50, 100), ones(52, 100))})["a"]

    assert change.verdict == "not shown"
    assert change.smallest_detectable == pytest.approx(0.079, abs=0.003)
    assert change.prompts_needed is not None
    assert 300 < change.prompts_needed < 450


def test_several_metrics_are_held_to_a_stricter_measure() -> None:
    gain = (ones(40, 100), ones(46, 100))  # 6 of 6: p = 0.031
    none = (ones(40, 100), ones(40, 100))

    assert changes_of({"a": gain})["a"].verdict == "improved"
    both = changes_of({"a": gain, "b": none})
    assert both["a"].verdict == "not shown"
    assert both["a"].p_adjusted == pytest.approx(2 * both["a"].test.p_value)
    alone = changes_of({"a": gain})["a"].smallest_detectable
    assert (both["a"].smallest_detectable or 0) > (alone or 1)


def test_samples_of_a_prompt_count_as_one() -> None:
    rng = random.Random(4)
    shares = [rng.random() for _ in range(60)]
    before = [[float(rng.random() < p) for _ in range(8)] for p in shares]
    after = [[float(rng.random() < min(1, p + 0.1)) for _ in range(8)] for p in shares]

    change = changes_of({"a": (before, after)})["a"]

    assert change.test.method == "sign-flip permutation"
    assert change.is_share
    assert change.difference.n == 60


def test_the_clustered_interval_agrees_with_the_cluster_robust_error_of_statsmodels() -> None:
    import numpy as np
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    levels = rng.normal(size=150)
    samples = [[level + rng.normal(scale=0.3) for _ in range(6)] for level in levels]
    flat = np.array(samples).ravel()
    groups = np.repeat(np.arange(150), 6)
    fitted = sm.OLS(flat, np.ones_like(flat)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    naive = sm.OLS(flat, np.ones_like(flat)).fit()

    found = clustered_mean(samples)

    assert found.low is not None
    assert found.high is not None
    half = (found.high - found.low) / 2
    assert found.value == pytest.approx(flat.mean())
    assert half == pytest.approx(1.96 * fitted.bse[0], rel=0.05)
    assert half > 2 * 1.96 * naive.bse[0]  # what counting samples one by one would claim


def test_prompts_weigh_the_same_whatever_their_samples() -> None:
    assert prompt_means([[1.0], [0.0, 0.0, 0.0]]) == [1.0, 0.0]
    assert clustered_difference([[0.0], [0.0]], [[1.0], [0.0, 0.0]]).value == 0.5
    with pytest.raises(ValueError, match="at least one sample"):
        prompt_means([[1.0], []])


def test_a_score_that_grows_by_the_same_everywhere_needs_few_prompts() -> None:
    scores = [[i / 7] for i in range(20)]
    change = changes_of({"a": (scores, [[x + 0.1] for [x] in scores])})["a"]

    assert change.verdict == "improved"
    assert not change.is_share
    assert (change.smallest_detectable, change.prompts_needed) == (None, 6)
    assert not change.too_few


def test_a_score_that_is_the_same_everywhere_does_not_tell_what_would_be_shown() -> None:
    turns = [[float(1 + i % 3)] for i in range(20)]
    text = verdict_text("turns", changes_of({"turns": (turns, turns)})["turns"])

    assert "is not known" in text
    assert "0 or more" not in text


def test_no_interval_of_no_width_is_told() -> None:
    right = changes_of({"a": ([[1.0, 1.0]] * 40, [[1.0, 1.0]] * 40)})["a"]
    assert [right.before.low, right.before.high] == pytest.approx([0.9124, 1.0], abs=1e-4)
    assert "+0.0 to +0.0" not in verdict_text("a", right)

    text = verdict_text("a", changes_of({"a": ([[0.5]] * 40, [[0.75]] * 40)})["a"])
    assert "(95 % interval –)" in text


def test_five_prompts_are_called_too_few_for_a_mean_too() -> None:
    scores = [[i / 7] for i in range(5)]
    change = changes_of({"a": (scores, [[9 * x + 0.1] for [x] in scores])})["a"]

    assert (change.verdict, change.smallest_detectable) == ("not shown", None)
    assert "5 prompts are too few" in verdict_text("a", change)


def test_one_prompt_shows_nothing() -> None:
    change = changes_of({"a": ([[0.2]], [[0.9]]), "b": ([[0.0]], [[1.0]])})

    assert change["a"].smallest_detectable is None
    assert change["b"].smallest_detectable is None
    assert {c.verdict for c in change.values()} == {"not shown"}
