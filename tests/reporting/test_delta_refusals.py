"""Two files of answers that cannot be compared, or not without a word: what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.evaluation.rows_file import RowsError
from tenyson.reporting import ComparisonError, delta_report
from tests.reporting.answers import Change, row, write
from tests.reporting.answers import pair as pair  # a fixture


def refused(pair: Any, change: Change, **settings: Any) -> str:
    with pytest.raises((ComparisonError, RowsError)) as raised:
        delta_report(*pair(change), **settings)
    return str(raised.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.pop(), "1 (such as 'q99') only in"),
        (lambda rows: rows.append(row(100, 1, model=rows[0]["model"])), "(such as 'q100') only in"),
        (lambda rows: rows[7].update(prompt="8+1="), "1 (such as 'q7') with another prompt"),
        (
            lambda rows: rows[7].update(fingerprints={"prompt": "x", "eval_set": "e1"}),
            "1 (such as 'q7') with another prompt",
        ),
        (lambda rows: rows[7].update(expected_answer="9"), "'q7') with another expected answer"),
    ],
)
def test_other_prompts_are_refused_even_where_differences_are_allowed(
    change: Change, says: str, pair: Any
) -> None:
    assert says in refused(pair, change)
    assert says in refused(pair, change, allow_differences=True)


def everywhere(**changes: Any) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for one in rows:
            for name, fields in changes.items():
                one[name] = {**one[name], **fields}

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (everywhere(model={"base": {"name": "n", "weights_sha256": "ef"}}),
         "the base models differ: m (ab) before, n (ef) after"),
        (everywhere(model={"base": {"name": "n", "weights_sha256": "ef"}, "adapter_sha256": None}),
         "n (ef) after (weights that were trained whole are another base)"),
        (everywhere(settings={"max_new_tokens": 9}), "max_new_tokens is 8 before and 9 after"),
        (everywhere(settings={"scorer": ["exact:ignore_case"]}), "scorer is ['exact'] before"),
        (everywhere(fingerprints={"eval_set": "e2"}), "evaluation sets' fingerprints differ"),
    ],
)  # fmt: skip
def test_what_differs_beside_the_training_is_refused_or_named(
    change: Change, says: str, pair: Any
) -> None:
    assert says in refused(pair, change)
    assert "--allow-differences" in refused(pair, change)
    report = delta_report(*pair(change), allow_differences=True)
    assert says in " ".join(report.differences)
    assert "Not the same beside the training" in report.markdown()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("task_module", "mine:Task", "other:Task"),
        ("task", "3f2a", "77b0"),
        ("loader", "transformers", "unsloth"),
        ("dtype", "float32", "bfloat16"),
    ],
)
def test_other_scoring_or_loading_is_refused(name: str, old: Any, new: Any, pair: Any) -> None:
    before, after = pair(everywhere(settings={name: new}))
    delta_report(before, after)  # a file from before the setting was written does not tell

    rows = [json.loads(line) for line in before.read_text().splitlines()]
    everywhere(settings={name: old})(rows)
    with pytest.raises(ComparisonError, match=f"{name} is "):
        delta_report(write(before, rows), after)


def test_other_code_of_the_task_that_scores_is_refused(pair: Any) -> None:
    def scored_by(code: str) -> Change:
        return everywhere(fingerprints={"scoring": code})

    before, after = pair(scored_by("c0de"))
    delta_report(before, after)  # a file from before it was written does not tell

    rows = [json.loads(line) for line in before.read_text().splitlines()]
    scored_by("0ther")(rows)
    with pytest.raises(ComparisonError, match="code of the task that scores"):
        delta_report(write(before, rows), after)


def test_scorers_that_are_not_compared_may_differ(pair: Any) -> None:
    change = everywhere(settings={"scorer": ["exact", "numeric"]}, scores={"numeric": 1.0})

    assert list(delta_report(*pair(change)).changes) == ["exact"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows[4].pop("completion"), "after.jsonl:5: has no completion"),
        (lambda rows: rows[4].update(id=4), "after.jsonl:5: id is a int"),
        (lambda rows: rows[4].update(id="q3"), "after.jsonl:5: the id 'q3' is that of line 4, too"),
        (lambda rows: rows[4].update(scores={"exact": float("nan")}), ":5: scores.exact is nan"),
        (lambda rows: rows[4].update(scores={"exact": None}), ":5: scores.exact is None"),
        (lambda rows: rows[4].update(scores={}), ":5: has no scores"),
        (lambda rows: rows[4].update(scores={"other": 1}), ":5: has the scores other; those of"),
        (lambda rows: rows[4].update(seed=1), ":5: seed is not that of line 1"),
        (lambda rows: rows.clear(), "after.jsonl: holds no rows"),
    ],
)
def test_damaged_answers_are_refused_by_file_and_line(change: Change, says: str, pair: Any) -> None:
    assert says in refused(pair, change)


def test_an_evaluation_set_is_told_from_answers(pair: Any, tmp_path: Path) -> None:
    before, _ = pair()
    asked = write(tmp_path / "set.jsonl", [{"id": "a", "prompt": "b", "expected_answer": "c"}])

    with pytest.raises(RowsError, match="an evaluation set has no answers yet"):
        delta_report(before, asked)
