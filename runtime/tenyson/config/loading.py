"""Reads a configuration from YAML, JSON or a mapping, and reports all its problems together."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tenyson.config.models import JobConfig, rl_batch_problem
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem


def load_config(path: str | Path, job_type: JobType | None = None, *, ranks: int = 1) -> JobConfig:
    """Returns the configuration in a YAML or JSON file.

    Args:
        path: A file; the ending `.json` is read as JSON, any other as YAML.
        job_type: Adds the checks that only this kind of job needs; None leaves them out.
        ranks: Processes that train together.

    Raises:
        ConfigError: The file is missing, does not parse, or holds wrong or unknown fields.
    """
    return parse_config(read_mapping(Path(path)), job_type, ranks=ranks, source=str(path))


def parse_config(
    config: JobConfig | Mapping[str, Any],
    job_type: JobType | None = None,
    *,
    ranks: int = 1,
    source: str = "",
) -> JobConfig:
    """Returns the checked configuration for a mapping; a checked one comes back as it is.

    Raises:
        ConfigError: Holds every problem, each with its path and, for a key, the nearest valid name.
    """
    if not isinstance(config, JobConfig):
        if not isinstance(config, Mapping):
            raise _refused(f"expected a mapping, got {type(config).__name__}", source)
        try:
            config = JobConfig.model_validate(dict(config))
        except ValidationError as error:
            problems = [_problem(dict(item)) for item in error.errors(include_url=False)]
            raise ConfigError(problems, source=source) from error
    if job_type is JobType.RL and (message := rl_batch_problem(config, ranks)):
        raise ConfigError(
            [Problem("training.per_device_train_batch_size", message)],
            source=source,
            hint="Change the batch size, the accumulation steps or the group size.",
        )
    return config


def read_mapping(path: Path) -> dict[str, Any]:
    """Returns the mapping that a YAML or JSON file holds.

    Raises:
        ConfigError: The file is missing, does not parse, repeats a key, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _refused("no such file", str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(f"cannot be read: {error}", str(path)) from error
    try:
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, _UniqueKeyLoader)
    except json.JSONDecodeError as error:
        raise _refused(
            f"line {error.lineno}, column {error.colno}: {error.msg}", str(path)
        ) from error
    except yaml.YAMLError as error:
        raise _refused(_yaml_message(error), str(path)) from error
    if not isinstance(content, dict):
        kind = "nothing" if content is None else type(content).__name__
        raise _refused(
            f"expected a mapping of sections (model, training, …), got {kind}", str(path)
        )
    return content


def _refused(message: str, source: str) -> ConfigError:
    return ConfigError([Problem("", message)], source=source)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML as PyYAML reads it, but a key written twice is an error instead of a lost value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(getattr(key_node, "value", key_node))
            if key in seen and key != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _yaml_message(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    if "'\\t'" in problem or "\\t" in problem:
        problem = "a tab stands where YAML wants spaces; indent with spaces"
    return f"{place}{problem}"


def _problem(error: dict[str, Any]) -> Problem:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return Problem(path, _unknown_key_message(tuple(error["loc"])))
    if error["type"] == "missing":
        return Problem(path, "is required")
    message = error["msg"].removeprefix("Value error, ")
    if path == "telemetry.db_url":  # it may hold a password
        return Problem(path, message[0].lower() + message[1:])
    shown = repr(error.get("input"))
    given = f" (given: {shown if len(shown) <= 80 else shown[:77] + '…'})"
    return Problem(path, message[0].lower() + message[1:] + (given if path else ""))


def _unknown_key_message(loc: tuple[str | int, ...]) -> str:
    """Names the nearest key of the same section, else the section in which the key exists."""
    *parents, key = [str(part) for part in loc]
    section = _section_at(parents)
    if section and (near := difflib.get_close_matches(key, list(section.model_fields), n=1)):
        return f"unknown key; did you mean {near[0]!r}?"
    homes = [
        f"{name}.{key}"
        for name, field in JobConfig.model_fields.items()
        if _is_section(field.annotation) and key in field.annotation.model_fields  # type: ignore[union-attr]
    ]
    if homes:
        return f"unknown key; did you mean {homes[0]!r}?"
    known = ", ".join(section.model_fields) if section else ""
    return f"unknown key; known here: {known}" if known else "unknown key"


def _section_at(path: list[str]) -> type[BaseModel] | None:
    section: type[BaseModel] = JobConfig
    for part in path:
        field = section.model_fields.get(part)
        if field is None or not _is_section(field.annotation):
            return None
        section = field.annotation  # type: ignore[assignment]
    return section


def _is_section(annotation: Any) -> bool:
    return (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and not get_args(annotation)
    )
