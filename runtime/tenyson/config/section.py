"""What all sections of a configuration have in common."""

import functools
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]
ShortString = Annotated[str, Field(max_length=1024)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of the configuration: immutable, and refuses keys that it does not know."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @field_validator("*", mode="before")
    @classmethod
    def _tell_words_from_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Python counts `true` as 1, and YAML reads the word `off` as false: neither is meant."""
        if value is True or value is False:
            return _as_meant(value, _meant(cls, str(info.field_name)))
        if isinstance(value, list):
            meant = _meant(cls, str(info.field_name), within_lists=True)
            return [_as_meant(item, meant) for item in value]
        return value


@functools.cache
def _meant(section: type[Section], field: str, *, within_lists: bool = False) -> set[Any]:
    return _alternatives(section.model_fields[field].annotation, within_lists=within_lists)


def _as_meant(value: Any, alternatives: set[Any]) -> Any:
    if not isinstance(value, bool):
        return value
    if value is False and "off" in alternatives:
        return "off"
    if alternatives & {int, float} and bool not in alternatives:
        raise ValueError(f"expected a number, and {str(value).lower()} is none")
    return value


def _alternatives(annotation: Any, *, within_lists: bool = False) -> set[Any]:
    """Returns the types, and the words of a Literal, that an annotation allows for."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return set(arguments)
    if origin is Annotated:
        arguments = arguments[:1]
    elif origin not in (Union, UnionType) and not (origin is list and within_lists):
        return {annotation}
    return {leaf for part in arguments for leaf in _alternatives(part, within_lists=within_lists)}
