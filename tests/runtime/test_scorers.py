"""What an answer earns; never anything for being long."""

import threading
from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.evaluation.scorers import make_scorers


def score(spec: str, completion: str, expected: str) -> float:
    [scorer] = make_scorers([spec])
    assert scorer.problem(expected) is None
    return scorer.score(completion, expected)


@pytest.mark.parametrize(
    ("spec", "completion", "expected", "earns"),
    [
        ("exact", " Paris\n", "Paris", 1),
        ("exact", "New  York", "New York", 1),
        ("exact", "Cafe\u0301", "Caf\u00e9", 1),
        ("exact", "paris", "Paris", 0),
        ("exact:ignore_case", "pArIs", "Paris", 1),
        ("exact", "Paris, of course", "Paris", 0),
        ("numeric", "2+2=4", "4", 1),
        ("numeric", "4 or 5", "4", 0),
        ("numeric", "10-7", "7", 1),
        ("numeric", "it is \u2212 no, \u22123.", "-3", 1),
        ("numeric", "$1,234.50", "1234.5", 1),
        ("numeric", "so 1e3 in all", "1,000", 1),
        ("numeric", "none", "4", 0),
        ("numeric", "100000000000000000001", "100000000000000000000", 0),
        ("numeric", ".5", "0.50", 1),
        ("numeric", "50 %", "50%", 1),
        ("numeric", "٤", "4", 1),
        ("numeric:0.01", "3.15", "3.14159", 1),
        ("numeric:0.001", "3.15", "3.14159", 0),
        (r"regex:answer is (\S+)", "answer is 3. No: answer is 4", "4", 1),
        (r"regex:answer is (\S+)", "it is 4", "4", 0),
        (r"regex:\d+", "a 12 b 34", "34", 1),
        (r"regex:x(y)?", "x", "y", 0),
    ],
)
def test_an_answer_earns(spec: str, completion: str, expected: str, earns: float) -> None:
    assert score(spec, completion, expected) == earns


@pytest.mark.parametrize(
    ("completion", "expected", "earns"),
    [
        ("The answer is $\\frac{1}{2}$.", "0.5", 1),
        ("so \\boxed{2x + 2}", "$2(x+1)$", 1),
        ("The answer is 4", "4", 1),
        ("\\boxed{3}", "\\frac{6}{2}", 1),
        ("\\boxed{3}", "4", 0),
        ("no idea", "4", 0),
    ],
)
def test_expressions_are_compared_by_value(completion: str, expected: str, earns: float) -> None:
    pytest.importorskip("math_verify")
    assert score("math", completion, expected) == earns


def test_expressions_are_compared_outside_of_the_main_thread_too() -> None:
    pytest.importorskip("math_verify")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(score("math", "\\boxed{7}", "7")))
    thread.start()
    thread.join()

    assert found == [1.0]


@pytest.mark.parametrize("spec", ["exact", "numeric", r"regex:(\d+)$"])
@pytest.mark.parametrize("words", [1, 10, 1000])
def test_a_wrong_answer_earns_nothing_however_long_it_is(spec: str, words: int) -> None:
    assert score(spec, "because " * words + "5", "4") == 0


@pytest.mark.parametrize(
    ("spec", "expected", "says"),
    [
        ("numeric", "four", "'four', which is no number"),
        ("numeric", "1/2", "which is no number"),
        ("exact", "  ", "is empty"),
    ],
)
def test_what_cannot_be_compared_with_is_told(spec: str, expected: str, says: str) -> None:
    [scorer] = make_scorers([spec])
    assert says in (scorer.problem(expected) or "")


def test_scorers_of_one_kind_have_names_of_their_own() -> None:
    names = [s.name for s in make_scorers(["regex:a", "exact", "regex:b", "regex:c"])]

    assert names == ["regex", "exact", "regex_2", "regex_3"]


def test_a_pattern_that_does_not_end_is_an_error_and_no_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenyson.evaluation.scorers.pattern.TIMEOUT_SECONDS", 0.05)
    with pytest.raises(TaskError, match="took more than"):
        score(r"regex:^(a|a|aa)+$", "a" * 60 + "b", "x")
