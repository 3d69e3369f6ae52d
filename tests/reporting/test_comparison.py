"""Models compared from the results.json files that Eval jobs leave."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.jobs.result import Failure, JobResult
from tenyson.reporting import (
    ComparisonError,
    compare,
    comparison_section,
    load_evaluation,
    read_curve,
    results_table,
)


def evaluation(folder: Path, name: str, scores: list[Any], **changes: Any) -> Any:
    folder = folder / name
    folder.mkdir(exist_ok=True)
    entries = [
        {"id": f"w{i}", "prompt": f"word {i}", "correct": score} for i, score in enumerate(scores)
    ]
    entries = changes.get("entries", entries)
    (folder / "results.json").write_text(json.dumps({"detailed_results": entries}))
    return load_evaluation(name, folder)


def chain(folder: Path) -> list[Any]:
    """Base right on 10 of 100, SFT on 40, RL on 60; each keeps what the one before had."""
    return [
        evaluation(folder, name, [i < right for i in range(100)])
        for name, right in (("base", 10), ("SFT", 40), ("RL", 60))
    ]


def test_each_model_is_compared_with_the_one_before_and_the_last_with_the_first(
    tmp_path: Path,
) -> None:
    comparisons = compare(chain(tmp_path))
    assert [(c.before, c.after, c.verdict) for c in comparisons] == [
        ("base", "SFT", "improved"),
        ("SFT", "RL", "improved"),
        ("base", "RL", "improved"),
    ]
    assert [round(c.difference.value, 3) for c in comparisons] == [0.3, 0.2, 0.5]
    assert all(c.p_adjusted >= c.test.p_value for c in comparisons)


def test_the_section_shows_shares_intervals_and_tests(tmp_path: Path) -> None:
    section = comparison_section(chain(tmp_path))
    assert "| base | 100 | 10.0 % | 5.5 to 17.4 |" in section
    assert "| SFT → RL | +20.0 points |" in section
    assert "| 20 / 0 / 80 | 1.9e-06 | 1.9e-06 | improved |" in section
    assert "McNemar, exact" in section


def test_a_small_difference_is_not_shown_and_a_loss_is_a_regression(tmp_path: Path) -> None:
    base = evaluation(tmp_path, "base", [i < 50 for i in range(100)])
    near = evaluation(tmp_path, "near", [i < 51 for i in range(100)])
    worse = evaluation(tmp_path, "worse", [i < 20 for i in range(100)])
    assert compare([base, near])[0].verdict == "not shown"
    assert compare([base, worse])[0].verdict == "regressed"


def test_scores_between_0_and_1_are_compared_as_means(tmp_path: Path) -> None:
    before = evaluation(tmp_path, "before", [i % 5 / 4 for i in range(60)])
    after = evaluation(tmp_path, "after", [i % 5 / 4 + 0.1 for i in range(60)])
    section = comparison_section([before, after], metric="score")
    assert "| Model | Prompts | Score | 95 % interval |" in section
    assert "| before → after | +0.1 |" in section
    assert "sign-flip permutation" in section


def test_one_model_alone_has_a_table_and_no_comparison(tmp_path: Path) -> None:
    section = comparison_section(chain(tmp_path)[:1])
    assert "10.0 %" in section
    assert "Compared" not in section


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"id": "w0", "prompt": "word 0", "correct": 1}], "1 .such as 'w1'. only in first"),
        (
            [{"id": i, "prompt": f"word {i}", "correct": 1} for i in ("w0", "other")],
            "1 .such as 'other'. only in second",
        ),
        (
            [{"id": f"w{i}", "prompt": "another", "correct": 1} for i in range(2)],
            "2 .such as 'w0'. with another prompt under the same id",
        ),
    ],
)
def test_other_prompts_are_refused(tmp_path: Path, entries: Any, said: str) -> None:
    first = evaluation(tmp_path, "first", [1, 0])
    second = evaluation(tmp_path, "second", [], entries=entries)
    with pytest.raises(ComparisonError, match=said):
        compare([first, second])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"metrics": {}}, "no list of detailed_results"),
        ({"detailed_results": []}, "no rows"),
        ({"detailed_results": [{"id": 1, "score": 2}]}, "Numbers of this row: id, score"),
        ({"detailed_results": [{"id": 1, "correct": 1}] * 2}, "the id '1' twice"),
    ],
)
def test_results_without_scores_are_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ComparisonError, match=said):
        load_evaluation("model", path)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="There is no"):
        load_evaluation("model", tmp_path / "results.json")
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ComparisonError, match="holds no results"):
        load_evaluation("model", tmp_path)


def test_the_results_table_holds_how_each_job_ended() -> None:
    failure = Failure("RewardError", "Reward 'a|b' raised\nKeyError")
    table = results_table(
        {
            "wordle-sft": JobResult("r1", "success", 9.04, {"loss": 0.51234}, global_step=100),
            "wordle-rl": JobResult("r2", "failed", 1.0, failure=failure, job_type="rl"),
        }
    )
    assert "| wordle-sft |  | success | 100 | 9.0 s | loss 0.5123 |" in table
    assert "failed: RewardError: Reward 'a&#124;b' raised KeyError |  | 1.0 s" in table


def test_a_run_without_metrics_has_an_empty_curve(tmp_path: Path) -> None:
    assert read_curve(tmp_path, "loss").points == []
