"""From a YAML or JSON file to a mapping: what cannot be a configuration is refused here.

A file holds what JSON can hold. Everything else that YAML knows (dates, sets, `.nan`) would become
something else on its way through the cluster.
"""

import json
import math
import re
from pathlib import Path
from typing import Any, Final

import yaml

from tenyson.errors import ConfigError, Problem

_MAX_VALUES: Final = 100_000
_MAX_LEVELS: Final = 100
_SHOWN_PROBLEMS: Final = 20
_URL_WITH_PASSWORD: Final = re.compile(r"://[^\s:/@]*:[^\s@]*@")


def read_mapping(path: Path) -> dict[str, Any]:
    """Returns the mapping that a YAML or JSON file holds.

    Raises:
        ConfigError: The file is missing, does not parse, repeats a key, holds no mapping, or holds
            values that JSON has no form for.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _refused("no such file", path) from error
    except UnicodeDecodeError as error:
        raise _refused("is no text in UTF-8; is this a binary file?", path) from error
    except OSError as error:
        raise _refused(f"cannot be read: {error.strerror or error}", path) from error
    content = _parsed(text, path)
    if not isinstance(content, dict):
        kind = "nothing" if content is None else type(content).__name__
        raise _refused(f"expected a mapping of sections (model, training, …), got {kind}", path)
    if problems := unholdable(content):
        raise ConfigError(problems, source=str(path))
    return content


def may_hold_a_password(text: str) -> bool:
    """Whether a text has a URL with a password in it, which no message may repeat."""
    return _URL_WITH_PASSWORD.search(text) is not None


def parse_value(text: str) -> Any:
    """Returns what a piece of YAML stands for, as in a file.

    Raises:
        ValueError: It is no YAML.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(_yaml_message(error)) from None  # it quotes the line


def unholdable(content: Any) -> list[Problem]:
    """Returns a problem for each value that JSON cannot hold, with its path."""
    problems: list[Problem] = []
    seen = 0
    waiting: list[tuple[str, Any, int]] = [("", content, 1)]
    while waiting and len(problems) < _SHOWN_PROBLEMS:
        path, value, level = waiting.pop()
        seen += 1
        if seen > _MAX_VALUES:
            return [
                Problem("", f"holds more than {_MAX_VALUES} values; are there too many anchors?")
            ]
        if level > _MAX_LEVELS:
            return [Problem(path[:80], f"is nested more than {_MAX_LEVELS} levels deep")]
        if isinstance(value, dict):
            for key, part in value.items():
                place = f"{path}.{key}" if path else str(key)
                if not isinstance(key, str):
                    problems.append(
                        Problem(place, f"the key {key!r} is no text; put it into quotation marks")
                    )
                waiting.append((place, part, level + 1))
        elif isinstance(value, list):
            waiting += [(f"{path}.{i}", part, level + 1) for i, part in enumerate(value)]
        elif message := _value_problem(value):
            problems.append(Problem(path, message))
    return problems


def _value_problem(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a finite number, got {value}; leave it out or write null"
    if value is None or isinstance(value, str | int | float | bool):
        return None
    return (
        "expected text, a number, true, false, null, a list or a mapping; YAML reads this as a "
        f"{type(value).__name__}; put it into quotation marks"
    )


def _parsed(text: str, path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_unique)
        return yaml.load(text, _Loader)
    except json.JSONDecodeError as error:
        message = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise _refused(message, path) from error
    except yaml.YAMLError as error:
        raise _refused(_yaml_message(error), path) from None  # it quotes the line
    except RecursionError as error:
        raise _refused(f"is nested more than {_MAX_LEVELS} levels deep", path) from error
    except ValueError as error:  # a number of thousands of digits, a 13th month
        raise _refused(f"holds a value that cannot be read: {error}", path) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} is written twice")
        content[key] = value
    return content


def _refused(message: str, path: Path) -> ConfigError:
    return ConfigError([Problem("", message)], source=str(path))


class _Loader(yaml.SafeLoader):
    """YAML as PyYAML reads it, but a key written twice is an error and 1e-5 is a number."""

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


# YAML 1.1, which PyYAML reads, wants a dot and a sign: 1e-5 would be text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _yaml_message(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    if "'\\t'" in problem or "\\t" in problem:
        problem = "a tab stands where YAML wants spaces; indent with spaces"
    if problem == "but found another document":
        problem = "a second document begins; a configuration is one"
    return f"{place}{problem}"
