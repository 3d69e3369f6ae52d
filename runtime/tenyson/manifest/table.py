"""Differences as a person reads them: aligned columns, long hashes cut."""

from collections.abc import Sequence
from typing import Any

from tenyson.manifest.differences import Difference

SHOWN_CHARACTERS = 34


def difference_lines(found: Sequence[Difference], left: str, right: str) -> list[str]:
    """Returns a table with a heading: what differs, and its value on either side."""
    rows = [("", "", left, right)]
    last = None
    for difference in found:
        kind = "" if difference.kind is last else difference.kind.value
        last = difference.kind
        one, other = shortened(difference.left, difference.right)
        rows.append((kind, difference.path, one, other))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns one line a row, its columns under each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def shortened(left: Any, right: Any) -> tuple[str, str]:
    """Returns both values short enough for a column, and still different from each other."""
    one, other = text_of(left), text_of(right)
    if max(len(one), len(other)) <= SHOWN_CHARACTERS:
        return one, other
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    start = max(0, shared - 8) if shared > SHOWN_CHARACTERS // 2 else 0
    return _window(one, start), _window(other, start)


def text_of(value: Any) -> str:
    """Returns the value as a reader expects it: `-` for none, no quotes."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())


def _window(text: str, start: int) -> str:
    shown = text[start : start + SHOWN_CHARACTERS - 2]
    before = "…" if start else ""
    after = "…" if start + len(shown) < len(text) else ""
    return f"{before}{shown}{after}"
