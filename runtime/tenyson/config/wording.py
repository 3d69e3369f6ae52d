"""What pydantic found wrong, in a person's words: the path, what was given, the nearest name."""

from collections.abc import Iterator
from typing import Any, Final, cast, get_args

from pydantic import BaseModel, ValidationError

from tenyson.config.models import JobConfig
from tenyson.config.reading import may_hold_a_password
from tenyson.errors import Problem
from tenyson.near_names import near_name

_SHOWN_CHARACTERS: Final = 80
_MEMBERS: Final = ("int", "float", "str", "bool")
_MEMBER_PREFIXES: Final = ("constrained-", "function-", "nullable")
_PLAIN_WORDS: Final = {
    "model_type": "expected a mapping of fields",
    "dict_type": "expected a mapping",
    "list_type": "expected a list",
    "string_type": "expected text",
}
"""By pydantic's type of error, what it says without its own terms."""
_SECRETS: Final = ("telemetry",)
"""Sections of which no message repeats a value: it may hold a password."""


def problems_of(error: ValidationError) -> list[Problem]:
    """Returns one problem for each field that was refused, whatever its alternatives."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(field_path(item["loc"]), []).append(dict(item))
    return [_problem(path, items) for path, items in found.items()]


def field_path(loc: tuple[int | str, ...]) -> str:
    """Returns the dotted path of a field; what pydantic adds for a union's members is left out."""
    parts: list[str] = []
    section: type[BaseModel] | None = JobConfig
    for part in loc:
        if section is None and parts and _names_a_member(part):
            continue
        parts.append(str(part))
        section = _subsection(section, str(part))
    return ".".join(parts)


def unknown_key(path: str) -> str:
    """Returns what to say about a key that its section does not have."""
    *parents, key = path.split(".")
    section = _section_at(parents)
    if section and (near := near_name(key, section.model_fields)):
        return f"unknown key; did you mean {near!r}?"
    if homes := [place for place in _paths() if place.rpartition(".")[2] == key]:
        return f"unknown key; did you mean {homes[0]!r}?"
    known = ", ".join(section.model_fields) if section else ""
    return f"unknown key; known here: {known}" if known else "unknown key"


def _problem(path: str, items: list[dict[str, Any]]) -> Problem:
    first = items[0]
    if first["type"] == "extra_forbidden":
        return Problem(path, unknown_key(path))
    if first["type"] == "missing":
        return Problem(path, "is required")
    messages = list(dict.fromkeys(_message(item) for item in items))
    return Problem(path, ", or ".join(messages) + _given(path, first.get("input")))


def _message(item: dict[str, Any]) -> str:
    message: str = _PLAIN_WORDS.get(item["type"]) or item["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _given(path: str, value: Any) -> str:
    if not path or path.partition(".")[0] in _SECRETS:
        return ""
    try:
        shown = repr(value)
    except ValueError:  # a whole number of thousands of digits
        shown = "a number of thousands of digits"
    if may_hold_a_password(shown):
        return ""
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[: _SHOWN_CHARACTERS - 1]}…"
    return f" (given: {shown})"


def _names_a_member(part: int | str) -> bool:
    """Whether a part of a location stands for a union's member: `int`, `literal['auto']`."""
    text = str(part)
    return text in _MEMBERS or text.startswith(_MEMBER_PREFIXES) or "[" in text


def _section_at(path: list[str]) -> type[BaseModel] | None:
    section: type[BaseModel] | None = JobConfig
    for part in path:
        section = _subsection(section, part)
    return section


def _subsection(section: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    field = section.model_fields.get(name) if section else None
    annotation = field.annotation if field else None
    return cast("type[BaseModel]", annotation) if is_section(annotation) else None


def is_section(annotation: Any) -> bool:
    """Whether a field's type is a section, and so has fields of its own."""
    return (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and not get_args(annotation)
    )


def _paths(section: type[BaseModel] = JobConfig, prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        if is_section(field.annotation):
            yield from _paths(field.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            yield f"{prefix}{name}"
