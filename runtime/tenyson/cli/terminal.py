"""Tables on a terminal, drawn by rich: as wide as it is, without colours where it is piped."""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PIPED_WIDTH = 160
"""Columns where the output is no terminal and COLUMNS does not say."""
STATUS_STYLES = {
    "success": "green",
    "failed": "red",
    "diverged": "red",
    "error": "red",
    "warning": "yellow",
    "stopped": "yellow",
    "preempted": "yellow",
    "budget": "yellow",
    "unfinished": "cyan",
    "improved": "green",
    "regressed": "red",
}


def console(stream: TextIO | None = None) -> "Console":
    """Returns the terminal; what is printed to it holds no markup of its own."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(
        file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False
    )


def terminal_width() -> int:
    """Returns the columns that there are to fill."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return PIPED_WIDTH
    return shutil.get_terminal_size().columns


def cell(value: object, style: str = "") -> "Text":
    """Returns a text that is shown letter by letter, whatever it holds."""
    from rich.text import Text

    from tenyson.reporting.harmless import flat

    return Text(flat(str(value)), style=style)


def status_cell(status: str) -> "Text":
    """Returns a status or a level in its colour."""
    return cell(status, STATUS_STYLES.get(status, ""))


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, right: str = "") -> "Table":
    """Returns a table without lines.

    Args:
        header: Names of the columns.
        rows: Texts of `cell`, or what becomes one.
        right: Names of the columns that go right, with spaces between.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in header:
        to_right = name in right.split()
        made.add_column(
            cell(name), justify="right" if to_right else "left", no_wrap=name not in WRAPPED,
            overflow="fold" if name in WRAPPED else "ellipsis",
        )  # fmt: skip
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else cell(value) for value in row))
    return made


WRAPPED = ("What", "Value", "Path")
"""Columns whose texts go on in the next line; those of others are cut."""


def heading(text: str) -> Any:
    """Returns a line that stands above a table."""
    return cell(text, "bold")
