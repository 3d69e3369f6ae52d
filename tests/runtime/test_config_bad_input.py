"""What must be refused: generated for every field from the models, and files that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.config import load_config, parse_config
from tenyson.contract import ExitCode
from tenyson.errors import ConfigError
from tests.runtime.config_fields import (
    FREE,
    LEAVES,
    beyond_range,
    config_with,
    misspelled,
    wrong_types,
)


def refusal(config: dict[str, Any]) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        parse_config(config)
    return raised.value


def paths_of(error: ConfigError) -> list[str]:
    return [problem.path for problem in error.problems]


def is_of(path: str, field: str) -> bool:
    """Whether a problem is the field's, or that of one of its items."""
    return path == field or path.rpartition(".")[0] == field


@pytest.mark.parametrize(("path", "field"), LEAVES, ids=[path for path, _ in LEAVES])
def test_every_field_refuses_values_of_a_wrong_type_under_its_own_path(
    path: str, field: Any
) -> None:
    wrong = list(wrong_types(field))

    assert len(wrong) >= 2
    for value in wrong:
        error = refusal(config_with(path, value))
        assert all(is_of(p, path) for p in paths_of(error)), (value, paths_of(error))
        assert all(len(problem.message) > 10 for problem in error.problems)


@pytest.mark.parametrize(("path", "field"), LEAVES, ids=[path for path, _ in LEAVES])
def test_every_field_refuses_values_beyond_its_range(path: str, field: Any) -> None:
    for value in beyond_range(field):
        error = refusal(config_with(path, value))
        assert all(is_of(p, path) for p in paths_of(error)), (value, paths_of(error))


def test_a_range_is_tried_for_almost_every_field_with_a_number() -> None:
    tried = [path for path, field in LEAVES if any(True for _ in beyond_range(field))]

    assert len(tried) > 60


@pytest.mark.parametrize("path", [p for p, _ in LEAVES if len(p.rpartition(".")[2]) > 2])
def test_every_misspelled_field_is_answered_with_its_name(path: str) -> None:
    section, _, name = path.rpartition(".")
    wrong = misspelled(name)

    error = refusal(config_with(f"{section}.{wrong}", "x"))

    (problem,) = [p for p in error.problems if p.path == f"{section}.{wrong}"]
    assert f"did you mean {name!r}?" in problem.message


@pytest.mark.parametrize("section", FREE)
def test_a_free_section_must_be_a_mapping(section: str) -> None:
    assert paths_of(refusal({"model": {"name": "m"}, section: ["a"]})) == [section]


def test_a_field_with_two_types_has_one_problem_under_its_own_path() -> None:
    error = refusal(config_with("checkpoint.resume", "maybe"))

    assert paths_of(error) == ["checkpoint.resume"]
    assert "'auto' or 'never', or input should be a valid integer" in str(error)


def test_true_is_no_number_within_a_list_either() -> None:
    error = refusal(config_with("rl.reward_weights", [0.5, True]))

    assert "expected a number" in str(error)


def test_off_is_a_word_although_yaml_reads_it_as_false(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: {name: m}\nguards: {entropy: off}", encoding="utf-8")

    assert load_config(path).guards.entropy == "off"


def test_an_exponent_without_a_dot_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: {name: m}\ntask: {a: 1e-5, b: 1E5, c: -2e+3}", encoding="utf-8")

    assert load_config(path).task == {"a": 1e-5, "b": 1e5, "c": -2000.0}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdef", "bcdefg", strict=True)
)
BROKEN: dict[str, tuple[bytes, str]] = {
    "binary": (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "is no text in UTF-8"),
    "control character": (b"model: {name: 'a\x00b'}", "special characters are not allowed"),
    "empty": (b"", "got nothing"),
    "only comments": (b"# model: {name: m}\n", "got nothing"),
    "list": (b"- a", "expected a mapping of sections (model, training, …), got list"),
    "number": (b"42", "got int"),
    "unclosed": (b"model: {name: m", "line 1, column 16"),
    "tab": (b"model:\n\tname: m", "a tab stands where YAML wants spaces"),
    "twice": (b"model: {name: m, name: n}", "the key 'name' is written twice"),
    "nan": (b"task: {a: [1, .nan]}", "task.a.1: expected a finite number, got nan"),
    "infinity": (b"task: {a: -.inf}", "task.a: expected a finite number, got -inf"),
    "date": (b"task: {day: 2026-01-02}", "YAML reads this as a date"),
    "bytes": (b"task: {b: !!binary aGVsbG8=}", "YAML reads this as a bytes"),
    "number as key": (b"task: {1: a}", "the key 1 is no text"),
    "object": (b"task: {a: !!python/object:os.system {}}", "could not determine a constructor"),
    "thousands of digits": (b"task: {a: " + b"9" * 5000 + b"}", "cannot be read"),
    "anchor in itself": (b"task: &a {b: *a}", "nested more than 100 levels deep"),
    "101 levels": (b"task: " + b"[" * 100 + b"]" * 100, "nested more than 100 levels deep"),
    "deep": (b"task: " + b"[" * 5000 + b"]" * 5000, "nested more than 100 levels deep"),
    "bomb": (b"model: {name: m}\n" + BOMB.encode(), "holds more than 100000 values"),
    "two documents": (
        b"model: {name: m}\n---\nmodel: {name: n}",
        "line 2, column 1: a second",
    ),
    "unknown anchor": (b"model: *nobody", "undefined alias"),
}


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
    content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        load_config(path)

    assert says in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "line 1, column 2"),
        ('{"a": 1, "a": 2}', "the key 'a' is written twice"),
        ('{"task": {"a": NaN}}', "expected a finite number, got nan"),
        ('{"task": {"a": 1e999}}', "expected a finite number, got inf"),
        ("[" * 100_000, "nested more than"),
    ],
)
def test_broken_json_is_refused_in_a_sentence(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigError, match=says):
        load_config(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_anchors_and_merged_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "task:\n  base: &base {a: 1, b: 2}\n  other: &other {<<: *base, b: 3}\n"
        "  third: {<<: *other, c: 4}\n  again: *other\nmodel: {name: m}",
        encoding="utf-8",
    )

    task = load_config(path).task

    assert task["other"] == task["again"] == {"a": 1, "b": 3}
    assert task["third"] == {"a": 1, "b": 3, "c": 4}


SAMPLE = [
    ("training.learning_rate", "fast", "training.learning_rate"),
    ("training.max_steps", 0, "training.max_steps"),
    ("checkpoint.resume", "maybe", "checkpoint.resume"),
    ("rl.num_generations", 1, "rl.num_generations"),
    ("adapter.knd", "lora", "did you mean 'kind'?"),
    ("budget.max_cost", 5, "needs budget.price_per_hour"),
    ("trainer_args.save_strategy", "epoch", "Tenyson saves whole, verified checkpoints"),
    ("task", "words", "expected a mapping"),
]


@pytest.mark.parametrize(("path", "value", "says"), SAMPLE, ids=[path for path, _, _ in SAMPLE])
def test_the_runner_ends_with_64_and_leaves_a_result_for_each(
    path: str, value: Any, says: str, run_runner: Any
) -> None:
    run = run_runner(config_with(path, value))

    assert run.code == run.result.exit_code == ExitCode.CONFIG
    assert says in run.result.failure.message
    assert run.result.status == "failed"
    assert json.loads((run.folder / "job_result.json").read_text()) == run.message.to_dict()
    assert "Traceback" not in run.said
