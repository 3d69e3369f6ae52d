"""JSON Lines that people hand in: read strictly, and refused with file and line."""

import codecs
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenyson.errors import TaskError

SHOWN_PROBLEMS = 8
_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # begins as UTF-16's does: asked for first
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@dataclass(frozen=True)
class Line:
    """One row of a file."""

    number: int
    """From 1."""
    content: dict[str, Any]


@dataclass(frozen=True)
class LineProblem:
    """One thing that is wrong in a file."""

    number: int | None
    """Of the line; None for the file as a whole."""
    message: str


class RowsError(TaskError, ValueError):
    """Raised when a file of rows cannot be used; names the lines of all problems found."""

    def __init__(self, place: str, problems: Sequence[LineProblem], *, hint: str = "") -> None:
        self.place = place
        self.problems = tuple(problems)
        shown = [
            f"{place}:{problem.number}: {problem.message}"
            if problem.number is not None
            else f"{place}: {problem.message}"
            for problem in self.problems[:SHOWN_PROBLEMS]
        ]
        if len(self.problems) > SHOWN_PROBLEMS:
            shown.append(f"and {len(self.problems) - SHOWN_PROBLEMS} more problems")
        super().__init__("\n".join(shown), hint=hint)


def read_rows(place: str | Path) -> list[Line]:
    """Returns the rows of a JSON Lines file; blank lines count for nothing.

    Args:
        place: A path, or a URI that fsspec knows.

    Raises:
        RowsError: It is not there, is no UTF-8, holds no rows, or a line that is no JSON object.
    """
    name = str(place)
    data = _content(name)
    for mark, encoding in _OTHER_ENCODINGS:
        if data.startswith(mark):
            raise RowsError(
                name,
                [LineProblem(1, f"is {encoding}; expected UTF-8")],
                hint=f"Convert it: iconv -f {encoding} -t UTF-8.",
            )
    lines, problems = [], []
    # Not splitlines: JSON texts may hold U+2028 and others that it splits at.
    for number, raw in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if not raw.strip():
            continue
        parsed = _parse(raw)
        if isinstance(parsed, str):
            problems.append(LineProblem(number, parsed))
        else:
            lines.append(Line(number, parsed))
    if problems:
        raise RowsError(name, problems, hint="Every line is one JSON object, in UTF-8.")
    if not lines:
        raise RowsError(name, [LineProblem(None, "holds no rows")])
    return lines


def _content(name: str) -> bytes:
    try:
        if "://" in name:
            import fsspec

            with fsspec.open(name, "rb") as file:
                return bytes(file.read())
        return Path(name).expanduser().read_bytes()
    except FileNotFoundError:
        raise RowsError(
            name, [LineProblem(None, "there is no such file")], hint=f"Looked from {Path.cwd()}."
        ) from None
    except Exception as error:  # each storage raises classes of its own
        raise RowsError(name, [LineProblem(None, f"cannot be read: {error}")]) from error


def _parse(raw: bytes) -> dict[str, Any] | str:
    """Returns a line's object, or what is wrong with it."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        return (
            f"byte 0x{byte:02x} in column {error.start + 1} is no UTF-8 (a file of Windows or "
            "Latin-1? iconv -f WINDOWS-1252 -t UTF-8 converts it)"
        )
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return f"is no JSON: {error}"
    if isinstance(content, dict):
        return content
    kind = type(content).__name__
    return f"is a {kind}; expected a JSON object, one a line"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice!r} is there twice")
    return content
