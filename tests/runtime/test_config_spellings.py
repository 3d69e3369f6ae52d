"""Other spellings of fields: the documents' flat YAML, older names, and `--set`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.config import load_config, parse_config
from tenyson.config.aliases import _ALIASES, _OF_AN_EVALUATION, ELSEWHERE, field_of
from tenyson.contract import JobType
from tenyson.errors import ConfigError
from tests.runtime.config_fields import FIELDS, config_with

PATHS = [path for path, _ in FIELDS]
FLAT = """\
model: google/gemma-2b-it
learning_rate: 1e-5
steps: 50
batch_size: 4
seed: 7
"""


def test_the_documents_flat_yaml_is_read_as_the_nested_fields(tmp_path: Path) -> None:
    (tmp_path / "flat.yaml").write_text(FLAT, encoding="utf-8")
    nested = {
        "model": {"name": "google/gemma-2b-it"},
        "training": {
            "learning_rate": 1e-5,
            "max_steps": 50,
            "per_device_train_batch_size": 4,
            "seed": 7,
        },
    }

    config = load_config(tmp_path / "flat.yaml", JobType.SFT)

    assert config.model_dump() == parse_config(nested).model_dump()
    assert config.read_as == [
        "read `model` as model.name",
        "read `learning_rate` as training.learning_rate",
        "read `steps` as training.max_steps",
        "read `batch_size` as training.per_device_train_batch_size",
        "read `seed` as training.seed",
    ]


def test_todays_spelling_is_read_without_a_word() -> None:
    assert parse_config({"model": {"name": "m"}, "training": {"seed": 3}}).read_as == []


def test_an_evaluation_has_a_seed_and_a_batch_of_its_own() -> None:
    config = parse_config({"model": "m", "seed": 7, "batch_size": 4}, JobType.EVAL)

    assert (config.evaluation.seed, config.evaluation.batch_size) == (7, 4)
    assert (config.training.seed, config.training.per_device_train_batch_size) == (42, 8)


@pytest.mark.parametrize("old", _ALIASES)
@pytest.mark.parametrize("job_type", [None, *JobType])
def test_every_other_spelling_stands_for_a_field_and_is_none_itself(
    old: str, job_type: JobType | None
) -> None:
    assert field_of(old, job_type) in PATHS
    assert old not in PATHS


def test_every_key_that_is_answered_with_another_place_is_no_field() -> None:
    assert not set(ELSEWHERE) & {*PATHS, *_ALIASES}
    assert set(_OF_AN_EVALUATION.values()) <= set(PATHS)


@pytest.mark.parametrize(
    "config",
    [
        {"steps": 50, "training": {"max_steps": 5}},
        {"training": {"num_steps": 50, "max_steps": 5}},
        {"steps": 50, "num_steps": 5},
    ],
)
def test_a_field_given_in_two_spellings_with_two_values_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is given too, with another value; keep one"):
        parse_config({"model": "m", **config})


def test_a_field_given_in_two_spellings_with_one_value_is_fine() -> None:
    assert parse_config({"model": "m", "steps": 5, "num_steps": 5}).training.max_steps == 5


def test_an_error_names_the_field_and_how_it_was_written() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config({"model": "m", "steps": 0, "lora": {"r": 9000}})

    said = str(raised.value)
    assert "training.max_steps: input should be greater than or equal to 1" in said
    assert "(written as `steps`)" in said
    assert "(written as `lora.r`)" in said


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_key_that_is_gone_is_answered_with_its_place_of_today(path: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(config_with(path, {"bias": "none"} if path == "lora" else "x"))

    assert ELSEWHERE[path] in str(raised.value)


def test_the_mapping_that_was_given_is_left_as_it_was() -> None:
    given = {"model": "m", "training": {"num_steps": 5}, "lora": {"r": 8}}
    before = json.dumps(given)

    parse_config(given, overrides=["training.seed=3"])

    assert json.dumps(given) == before


def test_set_goes_over_the_file_and_its_other_spellings() -> None:
    given = {"model": "m", "steps": 50, "adapter": {"r": 4}, "task": {"words": "all"}}

    config = parse_config(
        given,
        overrides=[
            "training.max_steps=5",
            "adapter.target_modules=[q_proj, v_proj]",
            "training.learning_rate=1e-4",
            "checkpoint.resume=never",
            "vllm.max_model_length=null",
            "task.new.place={a: 1}",
            "seed=3",
            "seed=4",
            "evaluation.adapters.best=s3://bucket/run=1",
        ],
    )

    assert config.training.max_steps == 5
    assert config.adapter.r == 4
    assert config.adapter.target_modules == ["q_proj", "v_proj"]
    assert config.training.learning_rate == 1e-4
    assert config.checkpoint.resume == "never"
    assert config.task == {"words": "all", "new": {"place": {"a": 1}}}
    assert config.training.seed == 4
    assert config.evaluation.adapters == {"best": "s3://bucket/run=1"}
    assert config.read_as == ["read `model` as model.name", "read `seed` as training.seed"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("training.learning_rat=1", "training.learning_rat: unknown key; did you mean"),
        ("trainin.seed=1", "did you mean 'training'?"),
        ("training.max_steps=0", "training.max_steps: input should be greater than"),
        ("model.name.x=1", "--set goes into model.name, which is no mapping"),
        ("training", "expected a.b=c"),
        ("=3", "expected a.b=c"),
        ("a..b=3", "expected a.b=c"),
        ("training.seed=[1", "--set training.seed: the value is no YAML"),
        ("task.a=.nan", "--set task.a: expected a finite number"),
    ],
)
def test_a_set_that_is_wrong_is_refused_with_its_path(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config({"model": "m"}, overrides=[text])

    assert says in str(raised.value)


@pytest.mark.parametrize(("given", "taken"), [("never", "never"), ("3", 3), ("auto", "auto")])
def test_resume_is_a_field_like_any_other(given: str, taken: Any) -> None:
    from tenyson.command_line import config_overrides, make_parser

    arguments = ["--job-type", "sft", "--config", "c", "--task-module", "t", "--resume", given]
    overrides = config_overrides(make_parser().parse_args(arguments))

    config = parse_config({"model": "m", "checkpoint": {"resume": 9}}, overrides=overrides)
    assert config.checkpoint.resume == taken


@pytest.mark.parametrize("given", ["0", "-1", "sometimes", "1.5"])
def test_resume_refuses_what_is_no_step(given: str) -> None:
    from tenyson.command_line import make_parser

    with pytest.raises(ConfigError, match="expected auto, never or a step"):
        make_parser().parse_args(["--job-type", "sft", "--config", "c", f"--resume={given}"])


@pytest.mark.train
def test_the_log_and_the_manifest_say_what_was_read_as_what(
    run_runner: Any, make_config: Any, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config()
    del config["model"], config["training"]["max_steps"]

    with caplog.at_level("INFO", logger="tenyson"):
        run = run_runner({**config, "model": tiny_model, "steps": 1})

    assert run.code == 0, run.said
    assert "Configuration: read `steps` as training.max_steps" in caplog.text
    manifest = json.loads((run.folder / "run_manifest.json").read_text(encoding="utf-8"))
    assert manifest["read_as"] == [
        "read `model` as model.name",
        "read `steps` as training.max_steps",
    ]
