"""Evaluation sets as people hand them in, and the task that asks them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import ConfigError, TaskError
from tenyson.evaluation.evalset import read_eval_set
from tenyson.evaluation.evalset_task import EvalSetTask, check_settings
from tenyson.evaluation.rows_file import RowsError, read_rows

FIRST = '{"id": "eval-001", "prompt": "What is 2+2?", "expected_answer": "4"}'
SECOND = '{"id": "eval-002", "prompt": "Name the capital of France", "expected_answer": "Paris"}'


def written(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "evalset.jsonl"
    path.write_bytes(b"\n".join(x if isinstance(x, bytes) else x.encode() for x in lines) + b"\n")
    return path


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(RowsError) as raised:
        read_eval_set(path, **settings)
    return str(raised.value)


def test_the_documents_own_example_is_read(tmp_path: Path) -> None:
    first, second = read_eval_set(written(tmp_path, FIRST, "", SECOND))

    assert (first.id, first.prompt, first.expected_answer) == ("eval-001", "What is 2+2?", "4")
    assert second.expected_answer == "Paris"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"prompt": "a", "expected_answer": "b"}', ":2: has no id; its fields: 'prompt'"),
        ('{"id": "x", "expected_answer": "b"}', ":2: has no prompt"),
        ('{"id": "x", "prompt": "a"}', ":2: has no expected_answer"),
        ('{"id": "x", "prompt": "", "expected_answer": "b"}', ":2: prompt is ''"),
        ('{"id": true, "prompt": "a", "expected_answer": "b"}', ":2: id is True"),
        ('{"id": "x", "prompt": "a", "expected_answer": 4}', ":2: expected_answer is 4; expected"),
        ('{"id": "x", "prompt": [{"role": "user"}], "expected_answer": "b"}', ":2: prompt is"),
        (FIRST, ":2: the id 'eval-001' is that of line 1, too"),
        ('{"id": "x", "prompt": "a\\ud800", "expected_answer": "b"}', "'prompt' holds half a"),
        ('{"id": "x", "id": "y", "prompt": "a", "expected_answer": "b"}', "'id' is there twice"),
        ("[1, 2]", ":2: is a list; expected a JSON object"),
        ("{", ":2: is no JSON"),
        ("[" * 100_000, ":2: is no JSON"),
        ('{"id": "x", "prompt": "Köln"'.encode("latin-1"), ":2: byte 0xf6 in column 25 is no UTF"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: Any, says: str, tmp_path: Path) -> None:
    path = written(tmp_path, FIRST, line)

    said = refusal(path)

    assert says in said
    assert said.startswith(f"{path}:2: ")


def test_all_problems_of_a_file_come_together(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, '{"id": "a"}', FIRST, FIRST, '{"id": "b"}'))

    assert [said.count(f"evalset.jsonl:{n}:") for n in (1, 2, 3, 4)] == [2, 0, 1, 2]


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "holds no rows" in refusal(written(tmp_path, "", "  "))
    assert "there is no such file" in refusal(tmp_path / "missing.jsonl")
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be"])
def test_another_encoding_is_named_with_the_command_that_converts_it(
    encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "evalset.jsonl"
    path.write_bytes(("\ufeff" if encoding == "utf-16-be" else "").encode(encoding))
    path.write_bytes(path.read_bytes() + FIRST.encode(encoding).removeprefix(path.read_bytes()))

    said = refusal(path)

    assert f"{path}:1: is UTF-{'32' if '32' in encoding else '16'}; expected UTF-8" in said
    assert "iconv -f" in said


def test_utf_8_with_a_mark_of_windows_and_line_ends_of_unicode_is_read(tmp_path: Path) -> None:
    row = {"id": "u", "prompt": "a\u2028b\u0085c", "expected_answer": "d\r"}
    path = tmp_path / "evalset.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row, ensure_ascii=False).encode() + b"\r\n")

    assert read_eval_set(path)[0].prompt == "a\u2028b\u0085c"


def test_a_set_behind_a_uri_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, FIRST)

    assert read_rows(f"file://{path}")[0].content["id"] == "eval-001"


def task_config(path: Path, **task: Any) -> dict[str, Any]:
    return {"task": {"eval_set": str(path), **task}}


def test_the_task_scores_by_every_scorer_and_row(tmp_path: Path) -> None:
    config = task_config(written(tmp_path, FIRST, SECOND), scorer=["exact", "regex:is (.*)"])
    rows = EvalSetTask().get_eval_dataset(config).to_list()

    found = EvalSetTask().compute_metrics([], ["4", "It is Paris"], rows, config, None)

    assert found["metrics"] == {"exact": 0.5, "regex": 0.5}
    assert found["detailed_results"] == [{"exact": 1, "regex": 0}, {"exact": 0, "regex": 1}]


def test_every_row_has_every_field_and_texts_become_messages_for_chat(tmp_path: Path) -> None:
    other = '{"id": "x", "prompt": "a", "expected_answer": "b", "level": 3}'
    rows = (
        EvalSetTask()
        .get_eval_dataset(task_config(written(tmp_path, FIRST, other), chat=True))
        .to_list()
    )

    assert [row["level"] for row in rows] == [None, 3]
    assert rows[1]["prompt"] == [{"role": "user", "content": "a"}]


def test_fields_of_different_kinds_are_refused_by_the_file(tmp_path: Path) -> None:
    mixed = '{"id": "x", "prompt": "a", "expected_answer": "b", "level": {"of": "hard"}}'
    plain = '{"id": "y", "prompt": "a", "expected_answer": "b", "level": "hard"}'

    with pytest.raises(RowsError, match="different kinds in different rows"):
        EvalSetTask().get_eval_dataset(task_config(written(tmp_path, mixed, plain)))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({}, "task.eval_set: names no file"),
        (
            {"eval_set": "x", "scorers": "exact"},
            "task.scorers: is not known here; did you mean sco",
        ),
        ({"eval_set": "x", "scorer": []}, "task.scorer: expected the name"),
        ({"eval_set": "x", "scorer": "task"}, "task.task_module: the scorer task needs it"),
        ({"eval_set": "x", "scorer": "exakt"}, "'exakt'; did you mean 'exact'?"),
        ({"eval_set": "x", "scorer": "regex:("}, "'(' is no regular expression"),
        ({"eval_set": "x", "scorer": "numeric:many"}, "numeric:many has no share"),
    ],
)
def test_settings_that_are_wrong_are_named_by_their_field(
    section: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        check_settings(section)

    assert says in str(raised.value)


def test_an_expected_answer_that_the_scorer_cannot_use_is_found_before_anything_runs(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, FIRST, SECOND)

    with pytest.raises(RowsError, match=":2: expected_answer is 'Paris', which is no number"):
        check_settings({"eval_set": str(path), "scorer": "numeric"})


def test_a_tasks_own_scoring_needs_no_expected_answer(tmp_path: Path, task_file: Path) -> None:
    row = '{"id": "x", "prompt": "1+2=", "completion": "3"}'
    spec = f"{task_file}:SumTask"
    config = task_config(written(tmp_path, row), scorer="task", task_module=spec)
    rows = EvalSetTask().get_eval_dataset(config).to_list()

    found = EvalSetTask().compute_metrics(["1+2="], ["3"], rows, config, None)

    assert found == {"metrics": {"accuracy": 1.0}, "detailed_results": [{"correct": 1.0}]}


def test_a_model_of_a_task_needs_that_task(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no task is named that brings this model"):
        EvalSetTask().get_base_model(task_config(written(tmp_path, FIRST)), "tiny")
