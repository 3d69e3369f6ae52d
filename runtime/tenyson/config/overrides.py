"""`--set a.b=c`: single values over what a file says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenyson.config.aliases import Reading, field_of
from tenyson.config.reading import may_hold_a_password, parse_value, unholdable
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem


@dataclass(frozen=True)
class Override:
    """One value, and the dotted path of the field that takes it."""

    path: str
    value: Any


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Returns the overrides that `a.b=c` texts stand for; a value is written as in YAML.

    Raises:
        ConfigError: Holds each text that is none.
    """
    overrides, problems = [], []
    for text in texts:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path or not all(path.split(".")):
            got = "a URL with a password" if may_hold_a_password(text) else repr(text)
            problems.append(
                Problem("--set", f"expected a.b=c, training.max_steps=10 say, got {got}")
            )
            continue
        try:
            override = Override(path, parse_value(value))
        except ValueError as error:
            problems.append(Problem(f"--set {path}", f"the value is no YAML: {error}"))
            continue
        problems += [Problem(f"--set {path}", p.message) for p in unholdable(override.value)]
        overrides.append(override)
    if problems:
        raise ConfigError(problems)
    return overrides


def override(reading: Reading, overrides: Sequence[Override], job_type: JobType | None) -> None:
    """Puts the values into what was read; the last one for a field counts.

    Whether there is such a field is the models' to say, which know the nearest name.
    """
    for item in overrides:
        whole = isinstance(item.value, dict)  # `model={name: …}` is no other spelling
        path = item.path if whole else field_of(item.path, job_type)
        *parents, key = path.split(".")
        section: Any = reading.content
        for depth, part in enumerate(parents, start=1):
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                place, kind = ".".join(parents[:depth]), type(section).__name__
                reading.problems.append(
                    Problem(path, f"--set goes into {place}, which is no mapping but {kind}")
                )
                break
        else:
            section[key] = item.value
            reading.written.pop(path, None)
            if path != item.path:
                reading.written[path] = item.path
