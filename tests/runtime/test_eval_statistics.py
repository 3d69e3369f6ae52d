"""The numbers of an evaluation: pass@k, and the intervals of its metrics."""

import itertools
import math
from typing import Any

import pytest

from tenyson.evaluation.intervals import (
    binary_names,
    metric_intervals,
    pass_metrics,
    without_own_columns,
)
from tenyson.evaluation.pass_at_k import mean_pass_at_k, pass_at_k
from tenyson.evaluation.statistics import wilson_interval


@pytest.mark.parametrize(("n", "correct"), [(n, c) for n in (1, 4, 7) for c in range(n + 1)])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(n: int, correct: int) -> None:
    samples = [1] * correct + [0] * (n - correct)
    for k in range(1, n + 1):
        subsets = list(itertools.combinations(samples, k))
        share = sum(any(subset) for subset in subsets) / len(subsets)
        assert pass_at_k(n, correct, k) == pytest.approx(share)


def test_pass_at_k_stays_a_probability_for_many_samples() -> None:
    exact = 1 - math.comb(990, 500) / math.comb(1000, 500)

    assert pass_at_k(1000, 10, 500) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 1, 5), (4, 5, 1), (4, -1, 1), (4, 1, 0)])
def test_pass_at_k_refuses_numbers_that_do_not_fit(n: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected 1 <= k <= n"):
        pass_at_k(n, correct, k)


def test_pass_at_1_is_the_mean_and_has_an_interval_over_prompts() -> None:
    samples = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]] * 10

    estimate = mean_pass_at_k(samples, 1)

    assert estimate.value == pytest.approx(5 / 12)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < estimate.value < estimate.high
    assert estimate.n == 30


def details(*values: tuple[float, ...], name: str = "correct") -> list[list[dict[str, Any]]]:
    return [[{name: value, "note": "x"} for value in row] for row in values]


def test_a_share_of_one_answer_each_gets_wilsons_interval() -> None:
    rows = details(*[(1.0,)] * 3, *[(0.0,)] * 7)

    found = metric_intervals({"accuracy": 0.3, "chance": 0.05, "note": "x"}, rows)

    assert found == {"accuracy": wilson_interval(3, 10)}


def test_means_over_samples_are_bootstrapped_over_prompts() -> None:
    rows = details(*[(1.0, 1.0, 0.0)] * 20, *[(0.0, 0.0, 0.0)] * 20)

    interval = metric_intervals({"correct": 1 / 3}, rows)["correct"]

    assert interval.low is not None
    assert interval.high is not None
    # 40 prompts carry it, not 120 samples.
    assert interval.n == 40
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * (1 / 3) / 40**0.5, rel=0.1)


def test_a_metric_that_two_numbers_could_explain_gets_no_interval() -> None:
    rows = [[{"a": a, "b": 0.5}] for a in (0.0, 1.0)]

    assert metric_intervals({"score": 0.5}, rows) == {}


def test_a_metric_does_not_get_anothers_interval_for_being_0_as_well() -> None:
    rows = details(*[(0.0,)] * 200, name="won")

    assert metric_intervals({"win_rate": 0.0, "held_out_win_rate": 0.0}, rows) == {}
    found = metric_intervals({"won": 0.0, "held_out_win_rate": 0.0}, rows)
    assert found == {"won": wilson_interval(0, 200)}


def test_a_number_that_does_not_vary_has_no_interval() -> None:
    assert metric_intervals({"part": 0.5}, details(*[(0.5,)] * 9, name="part")) == {}


def test_what_repeats_the_prompts_row_is_no_score() -> None:
    rows = [{"id": 7, "turns": 2, "correct": 1}, {"id": 8, "turns": 0, "correct": 1}]
    told = [
        [{"id": 7, "turns": 2, "correct": 1}, {"id": 7, "turns": 2, "correct": 0}],
        [{"id": 8, "turns": 0, "correct": 1}],
    ]

    scores = without_own_columns(told, rows)

    # A data set's column may be called as a score is; the values tell them apart.
    assert scores == [[{"correct": 1}, {"correct": 0}], [{"correct": 1}]]


def test_pass_at_k_is_told_of_every_binary_number() -> None:
    rows = [[{"right": 1, "form": True, "part": 0.5}, {"right": 0, "form": True, "part": 0.1}]]

    assert binary_names(rows) == ["right", "form"]
    found = pass_metrics(rows, [2, 1, 2], ["right"])
    assert {name: estimate.value for name, estimate in found.items()} == {
        "right_pass@1": 0.5,
        "right_pass@2": 1.0,
    }
