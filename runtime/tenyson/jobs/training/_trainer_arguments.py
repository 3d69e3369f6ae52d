"""`trainer_args` against the installed TRL: each name and type is checked, none is dropped."""

import re
import types
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tenyson.config.trainer_arguments import OWNED, OWNED_BY_RL, problems_of_names
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.training._compat import FORMER, argument_names, spelled
from tenyson.near_names import near_name

_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def trl_arguments(kind: type, trainer_args: Mapping[str, Any], **ours: Any) -> Any:
    """Returns a TRL configuration of our arguments and those of `trainer_args`.

    Args:
        kind: SFTConfig or GRPOConfig.
        trainer_args: As the configuration has them.
        ours: What the configuration's fields stand for; these win by being refused there.

    Raises:
        ConfigError: An argument is unknown, of another type, ours to set, or TRL refuses the whole.
    """
    checked = checked_arguments(kind, trainer_args)
    try:
        return kind(**spelled(kind, {**ours, **checked}))
    except (ValueError, NotImplementedError) as error:
        message = " ".join(str(error).split())
        place = "trainer_args" if checked else "training"
        raise ConfigError(
            [Problem(place, f"{kind.__name__} refuses the arguments: {message}")]
        ) from error


def checked_arguments(kind: type, trainer_args: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `trainer_args`, which the installed TRL configuration takes as they are.

    Raises:
        ConfigError: Holds every argument that is unknown, of another type, or ours to set.
    """
    problems = list(problems_of_names(trainer_args))
    refused = {problem.path.partition(".")[2] for problem in problems}
    known = argument_names(kind)
    checked = {}
    for name, value in trainer_args.items():
        if name in refused:
            continue
        message: str | None
        if name in OWNED_BY_RL and kind.__name__ == "GRPOConfig":
            message = f"has a field of its own: set {OWNED_BY_RL[name]}"
        elif name not in known:
            message = _unknown(kind, name, known)
        else:
            checked[name] = _number_of_text(value, _hints(kind)[name])
            message = _mistyped(name, checked[name], _hints(kind)[name])
        if message:
            problems.append(Problem(f"trainer_args.{name}", message))
    if problems:
        raise ConfigError(problems)
    return checked


def _unknown(kind: type, name: str, known: list[str]) -> str:
    versions = f"TRL {version('trl')}, transformers {version('transformers')}"
    if former := FORMER.get(name):
        today = f"is {former.today} today" if former.today else "is gone"
        remark = f"; {former.remark}" if former.remark else ""
        field = OWNED.get(former.today or "", "")
        return f"{today} ({versions}){remark}{f': set {field}' if field else ''}"
    near = near_name(name, known)
    if near is None:
        return f"{kind.__name__} has no such argument ({versions})"
    owner = OWNED.get(near)
    meant = f"{near!r}, the field {owner}" if owner else repr(near)
    return f"{kind.__name__} has no such argument ({versions}); did you mean {meant}?"


def _mistyped(name: str, value: Any, hint: Any) -> str | None:
    if name == "generation_kwargs" and isinstance(value, dict) and "seed" in value:
        return "a seed here makes all completions of a prompt alike; set training.seed"
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=_ANY_CLASS)
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return f"expected {_shown(hint)}, got {value!r}"
    return None


def _number_of_text(value: Any, hint: Any) -> Any:
    """PyYAML reads 1e-8 as text; where a number is wanted and no text, it is one."""
    kinds = set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}
    if (
        isinstance(value, str)
        and float in kinds
        and str not in kinds
        and _EXPONENT.fullmatch(value)
    ):
        return float(value)
    return value


def _shown(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_shown(part) for part in get_args(hint))
    if hint is type(None):
        return "null"
    return str(getattr(hint, "__name__", hint)) if not get_args(hint) else str(hint)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
