"""`--filter key=value`: which rows are kept.

A key is looked for in the row, then in its `metadata`; dots lead into objects. A row without the
key passes `!=` alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenyson.datasets.errors import DatasetError, DatasetRequestError

_FORM = re.compile(r"(?P<key>[^=!<>~]+)(?P<operator>>=|<=|!=|=|~)(?P<value>.*)", re.DOTALL)
MISSING = object()
"""In place of the value of a field that a row does not have."""


@dataclass(frozen=True)
class Filter:
    """One condition on a field."""

    text: str
    """As it was given."""
    key: str
    operator: str
    value: str

    def passes(self, row: Mapping[str, Any], place: str) -> bool:
        """Whether the row meets the condition.

        Raises:
            DatasetError: Its value cannot be compared with the filter's.
        """
        found = field_of(row, self.key)
        if found is MISSING:
            return self.operator == "!="
        if self.operator == "=":
            return _equals(found, self.value)
        if self.operator == "!=":
            return not _equals(found, self.value)
        if self.operator == "~":
            return re.search(self.value, _as_text(found)) is not None
        return self._is_in_order(found, place)

    def _is_in_order(self, found: Any, place: str) -> bool:
        if found is None:
            return False
        bound, number = _number(self.value), _number(found)
        if bound is not None and number is not None:
            return number >= bound if self.operator == ">=" else number <= bound
        if isinstance(found, str) and bound is None:  # dates as ISO 8601 are in order as texts
            return found >= self.value if self.operator == ">=" else found <= self.value
        raise DatasetError(
            f"{place}, field {self.key}: {_as_text(found)[:60]!r} cannot be compared with "
            f"{self.value!r} ({self.text}).",
            hint="Both must be numbers, or both texts.",
        )


def parse_filter(text: str) -> Filter:
    """Returns the condition that `key=value` spells; also `>=`, `<=`, `!=` and `~regex`.

    Raises:
        DatasetRequestError: It spells none.
    """
    match = _FORM.fullmatch(text)
    if match is None or not match["key"].strip():
        raise DatasetRequestError(
            f"The filter {text!r} is none; expected key=value.",
            hint="There are also key!=value, key>=number, key<=number and key~regex.",
        )
    if match["operator"] == "~":
        try:
            re.compile(match["value"])
        except re.error as error:
            raise DatasetRequestError(
                f"The filter {text!r} has no regular expression: {error}."
            ) from error
    return Filter(text, match["key"].strip(), match["operator"], match["value"])


def field_of(row: Mapping[str, Any], key: str) -> Any:
    """Returns the value of a dotted key in the row or in its `metadata`; `MISSING` without one."""
    found = _walk(row, key)
    if found is MISSING and isinstance(metadata := row.get("metadata"), Mapping):
        found = _walk(metadata, key)
    return found


def keys_of(row: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Returns the dotted keys that the row has; those of `metadata` without that word, too."""
    found = []
    for name, value in row.items():
        found.append(f"{prefix}{name}")
        if isinstance(value, Mapping):
            found += keys_of(value, f"{prefix}{name}.")
            if not prefix and name == "metadata":
                found += [str(key) for key in value]
    return found


def _walk(row: Mapping[str, Any], key: str) -> Any:
    if key in row:
        return row[key]
    head, dot, rest = key.partition(".")
    if dot and isinstance(inner := row.get(head), Mapping):
        return _walk(inner, rest)
    return MISSING


def _equals(found: Any, value: str) -> bool:
    if isinstance(found, str):
        return found == value
    if isinstance(found, bool) or found is None:
        return _as_text(found) == value
    if isinstance(found, int | float):
        return _number(value) == found
    try:
        return bool(json.loads(value) == found)
    except ValueError:
        return False


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
