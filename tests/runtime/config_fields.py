"""Every field of the configuration, found by walking the models, and values that it must refuse."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tenyson.config import JobConfig

FREE = ("trainer_args", "task")
"""Sections whose keys are others' to know."""


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        yield f"{prefix}{name}", field
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from fields_of(annotation, f"{prefix}{name}.")


FIELDS = list(fields_of(JobConfig))
LEAVES = [
    (path, field)
    for path, field in FIELDS
    if path not in FREE
    and not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
]


def config_with(path: str, value: Any) -> dict[str, Any]:
    """Returns a configuration that is right but for one value."""
    config: dict[str, Any] = {"model": {"name": "m"}}
    *parents, key = path.split(".")
    section = config
    for part in parents:
        section = section.setdefault(part, {})
    section[key] = value
    return config


def alternatives(
    annotation: Any, metadata: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, list[Any]]]:
    """Yields each type that a field takes, with the constraints on it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from alternatives(arguments[0], (*metadata, *arguments[1:]))
    elif origin in (Union, UnionType):
        for part in arguments:
            yield from alternatives(part, metadata)
    else:
        constraints: list[Any] = []
        for item in metadata:
            constraints += item.metadata if isinstance(item, FieldInfo) else [item]
        yield annotation, constraints


def wrong_types(field: FieldInfo) -> Iterator[Any]:
    """Yields values of types that the field does not have."""
    kinds = {get_origin(kind) or kind for kind, _ in _alternatives_of(field)}
    yield [["nested"]]
    if dict not in kinds:
        yield {"a": 1}
    if not kinds & {str, Literal}:
        yield "many words"
    if Literal in kinds:
        yield "no such choice"
    if not kinds & {int, float, bool}:
        yield 7.5
    if bool in kinds:
        yield 2
    elif kinds & {int, float}:
        yield True
    if int in kinds and float not in kinds:
        yield 1.5
    if type(None) not in kinds:
        yield None


def beyond_range(field: FieldInfo) -> Iterator[Any]:
    """Yields values just outside of each bound, of items too, and numbers that are not finite."""
    for kind, constraints in _alternatives_of(field):
        yield from _outside(kind, constraints)
        if get_origin(kind) is list:
            for item, of_item in alternatives(get_args(kind)[0]):
                yield from ([value] for value in _outside(item, of_item))
        if kind is float:
            yield from (float("nan"), float("inf"), -float("inf"))
        if kind in (int, float):
            yield 10**400
        if kind is str and not any(isinstance(c, MinLen | MaxLen) for c in constraints):
            raise AssertionError("a text without a maximum")


def _alternatives_of(field: FieldInfo) -> list[tuple[Any, list[Any]]]:
    return list(alternatives(field.annotation, tuple(field.metadata)))


def _outside(kind: Any, constraints: list[Any]) -> Iterator[Any]:
    step = 1 if kind is int else 1e-6
    for constraint in constraints:
        if isinstance(constraint, Ge):
            yield constraint.ge - step  # type: ignore[operator]
        elif isinstance(constraint, Gt):
            yield constraint.gt
        elif isinstance(constraint, Le):
            yield constraint.le + max(step, constraint.le * 1e-6)  # type: ignore[operator]
        elif isinstance(constraint, Lt):
            yield constraint.lt
        elif isinstance(constraint, MinLen) and constraint.min_length:
            yield "" if kind is str else []
        elif isinstance(constraint, MaxLen):
            size = constraint.max_length + 1
            yield {
                str: "x" * size,
                dict: {str(n): "x" for n in range(size)},
                list: ["x"] * size,
            }[get_origin(kind) or kind]


def misspelled(name: str) -> str:
    """Returns the name with two letters swapped, or one left out."""
    middle = len(name) // 2
    swapped = name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :]
    return swapped if swapped != name else name[:middle] + name[middle + 1 :]
