import json
import traceback
from pathlib import Path
from typing import Any, get_args

import pytest

from tenyson.config import JobConfig, load_config, parse_config
from tenyson.config.guards import Action, GuardsConfig
from tenyson.config.section import Section
from tenyson.config.training import TrainingConfig
from tenyson.contract import File, JobType
from tenyson.errors import ConfigError
from tenyson.jobs.sft import SFTJob
from tests.runtime.config_fields import FIELDS, LEAVES
from tests.runtime.field_readers import fields_read

ACTIONS = get_args(Action)
SECTIONS = {
    name: field.annotation.__name__
    for name, field in JobConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
GUARDS = [name for name, field in GuardsConfig.model_fields.items() if field.default in ACTIONS]
URL = "postgresql://user:hunter2@host/db"


def paths_of(error: ConfigError) -> list[str]:
    return [problem.path for problem in error.problems]


def test_yaml_and_json_give_the_same_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model: {name: m}\ntraining: {max_steps: 5}", encoding="utf-8")
    content = {"model": {"name": "m"}, "training": {"max_steps": 5}}
    (tmp_path / "c.json").write_text(json.dumps(content), encoding="utf-8")

    assert load_config(tmp_path / "c.yaml") == load_config(tmp_path / "c.json")


def test_all_problems_are_reported_together() -> None:
    wrong = {
        "modell": {},
        "training": {"learning_rate": "fast", "max_steps": 0},
        "checkpoint": {"resume": "maybe"},
    }

    with pytest.raises(ConfigError) as raised:
        parse_config(wrong)

    paths = paths_of(raised.value)
    assert {"model", "modell", "training.learning_rate", "training.max_steps"} <= set(paths)
    assert any(path.startswith("checkpoint.resume") for path in paths)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"training": {"learning_rat": 1}}, "training.learning_rat: unknown key; did you mean "
         "'learning_rate'?"),
        ({"weight_decay": 1}, "did you mean 'training.weight_decay'?"),
        ({"adaptr": {}}, "did you mean 'adapter'?"),
        ({"rl": {"zzz": 1}}, "known here: engine, num_generations"),
    ],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest_one(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config({"model": {"name": "m"}, **config})

    assert says in str(raised.value)


@pytest.mark.parametrize("wrong", [None, 3, "text", ["a"]])
def test_only_a_mapping_is_a_configuration(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="expected a mapping"):
        parse_config(wrong)


def test_a_group_that_does_not_fit_the_batch_is_refused_for_rl_only() -> None:
    config = {
        "model": {"name": "m"},
        "training": {"per_device_train_batch_size": 6},
        "rl": {"num_generations": 4},
    }

    assert parse_config(config, JobType.SFT).rl.num_generations == 4
    with pytest.raises(ConfigError, match=r"not divisible by rl\.num_generations = 4"):
        parse_config(config, JobType.RL)


def test_samples_without_temperature_are_refused() -> None:
    with pytest.raises(ConfigError, match="greedy samples are all alike"):
        parse_config({"model": {"name": "m"}, "evaluation": {"num_samples": 4}})


def test_a_database_url_is_not_repeated_in_the_message() -> None:
    url = "postgresql://user:secret-word@host/" + "x" * 5000

    with pytest.raises(ConfigError, match="telemetry") as raised:
        parse_config({"model": {"name": "m"}, "telemetry": {"db_url": url}})

    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"telemetry": URL},
        {"telemetry": [URL]},
        {"telemetry": {"db_url": [URL]}},
        {"model": {"name": "m", "revision": [URL]}},
        {"training": URL},
    ],
    ids=str,
)
def test_a_refused_configuration_leaves_its_password_nowhere(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    config = {"model": {"name": "m"}, **wrong}

    with pytest.raises(ConfigError) as raised:
        SFTJob(config, object(), output_dir=tmp_path).run()

    assert "hunter2" not in "".join(traceback.format_exception(raised.value))
    for name in (File.FAILURE, File.JOB_RESULT):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert next(iter(wrong)) in text
        assert "hunter2" not in text


@pytest.mark.parametrize("override", [URL, "telemetry.db_url.x=1", f"telemetry.db_url: {URL}"])
def test_a_refused_override_does_not_repeat_a_password(override: str) -> None:
    config = {"model": {"name": "m"}, "telemetry": {"db_url": URL}}

    with pytest.raises(ConfigError) as raised:
        parse_config(config, overrides=[override])

    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_a_file_that_is_no_yaml_does_not_repeat_a_password(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"telemetry: {{db_url: {URL}]", encoding="utf-8")

    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path / "c.yaml")

    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_an_unknown_section_is_refused_even_where_it_is_empty() -> None:
    with pytest.raises(ConfigError, match="did you mean 'training'"):
        parse_config({"model": {"name": "m"}, "trainng": None})


def test_a_checked_configuration_comes_back_as_it_is() -> None:
    config = JobConfig.model_validate({"model": {"name": "m"}})

    assert parse_config(config) is config


def test_a_section_whose_keys_are_all_commented_out_has_its_defaults() -> None:
    assert parse_config({"model": {"name": "m"}, "training": None}).training == TrainingConfig()


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_every_field_is_documented(path: str, field: Any) -> None:
    assert field.description, path


def test_every_field_is_read_by_some_code() -> None:
    """A field that nothing reads would be a promise that nobody keeps."""
    root = Path(__file__).parents[2] / "runtime" / "tenyson"
    sources = {path: path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    checks = {"checks.py", "rl_checks.py"}  # to compare a field with others is not to use it
    read = fields_read((sources[path] for path in sources if path.name not in checks), SECTIONS)
    # A guard's action is looked up by the guard's name.
    guards = "\n".join(sources[path] for path in sources if path.is_relative_to(root / "jobs"))
    read |= {f"guards.{name}" for name in GUARDS if f'"{name}"' in guards}

    assert {path for path, _ in LEAVES} - read == set()


def test_a_field_is_read_where_its_own_section_is() -> None:
    source = """
class Saver:
    def __init__(self, config: CheckpointConfig, other: Any) -> None:
        self._config = config
        self.other = other.seed

    def save(self, context: Any) -> None:
        config, training = context.config, context.config.training
        print(self._config.keep, training.seed, config.model.name, self.model.dtype)

    def load(self, training: Any) -> None:
        print(training.optim)
"""

    assert fields_read([source], SECTIONS) == {"checkpoint.keep", "training.seed", "model.name"}
