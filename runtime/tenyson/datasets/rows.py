"""One row as JSON: read strictly, written so that every reader finds the same lines and values.

What JSON or UTF-8 has no place for is refused with its place and field, never changed: half a
surrogate pair, NaN, a field that is there twice. NUL and line separators are text like any other.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from tenyson.datasets.errors import DatasetError

MAX_LINE_BYTES = 64 * 2**20
_SEPARATORS = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}
"""Line ends to `str.splitlines` and to JavaScript; JSON may write them as escapes."""


def parse_row(line: bytes, place: str) -> dict[str, Any]:
    """Returns the JSON object that a line holds.

    Args:
        line: Without anything before or after the object but white space.
        place: For messages, `rows.jsonl:7`.

    Raises:
        DatasetError: It holds none, or one that cannot be kept as it is.
    """
    try:
        row = json.loads(
            line.rstrip(b"\r\n").decode(),
            object_pairs_hook=_without_doubles,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise not_utf8(error, place) from error
    except RecursionError as error:
        raise DatasetError(f"{place}: nested too deep to be read.") from error
    except ValueError as error:
        raise DatasetError(
            f"{place}: no JSON: {error}.", hint="Each line must be one JSON object."
        ) from error
    if not isinstance(row, dict):
        raise DatasetError(
            f"{place}: expected a JSON object, found {_kind(row)}.",
            hint="A JSON array becomes lines by: jq -c '.[]' FILE",
        )
    return checked_row(row, place)


def checked_row(row: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Returns the row with plain JSON values: times as ISO 8601, tuples as lists.

    Raises:
        DatasetError: A value is none; names the field.
    """
    try:
        return {_checked_text(name, place, "a field's name"): _plain(value, place, name)
                for name, value in row.items()}  # fmt: skip
    except RecursionError as error:
        raise DatasetError(f"{place}: nested too deep to be kept.") from error


def row_line(row: Mapping[str, Any]) -> bytes:
    """Returns the row as one line of JSON, its end included."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text.translate(_SEPARATORS).encode() + b"\n"


def row_digest(row: Mapping[str, Any]) -> bytes:
    """Returns the SHA-256 of what the row says, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, allow_nan=False).encode()).digest()


def not_utf8(error: UnicodeDecodeError, place: str) -> DatasetError:
    """Returns the refusal of bytes that are no UTF-8."""
    found = error.object[error.start : error.start + 1].hex()
    return DatasetError(
        f"{place}: byte {error.start + 1} of the line, 0x{found}, is no UTF-8.",
        hint="Convert the file first, for example: iconv -f latin1 -t utf-8 FILE",
    )


def type_name(value: Any) -> str:
    """Returns what a manifest calls the kind of a JSON value."""
    return _kind(value)


def _plain(value: Any, place: str, path: str) -> Any:
    if isinstance(value, str):
        return _checked_text(value, place, path)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise DatasetError(
            f"{place}, field {path}: {value} is no number that JSON has.",
            hint="Put null in its place, or leave the field out.",
        )
    if isinstance(value, Mapping):
        return {
            _checked_text(name, place, f"{path}.*"): _plain(item, place, f"{path}.{name}")
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, place, f"{path}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if getattr(value, "ndim", None) == 0 and callable(item := getattr(value, "item", None)):
        return _plain(item(), place, path)  # a scalar of NumPy
    raise DatasetError(
        f"{place}, field {path}: {type(value).__name__} is nothing that JSON holds.",
        hint="Leave the column out, or turn it into text or numbers first.",
    )


def _checked_text(text: Any, place: str, path: str) -> str:
    if not isinstance(text, str):
        raise DatasetError(f"{place}, {path}: expected text, found {type(text).__name__}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise DatasetError(
            f"{place}, field {path}: character {error.start + 1} is \\u{half:04x}, half a "
            "surrogate pair: no UTF-8 can hold it, and no tokenizer reads it.",
            hint="The text was cut inside a character; mend or leave out the row.",
        ) from error
    return text


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {double!r} is there twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON has")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "object"
