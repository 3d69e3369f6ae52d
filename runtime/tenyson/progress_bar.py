"""Progress for a person at a terminal: one bar that is redrawn below what is logged."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

from tenyson.progress import Progress
from tenyson.progress_line import ProgressDisplay, ProgressLine, details

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

REDRAWS_PER_SECOND = 4
NARROW = 60
"""Columns below which the bar leaves its place to the numbers."""


def progress_display(label: str, unit: str, stream: TextIO | None = None) -> ProgressDisplay:
    """Returns a bar for a terminal that can redraw, else lines for a log."""
    stream = stream or sys.stderr
    can_redraw = stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return ProgressBar(label, unit, stream) if can_redraw else ProgressLine(label, unit, stream)


class ProgressBar:
    """`SFT ━━━━━━╸─── 40/300 · loss 0.41 · 1.2k tok/s · ETA 2m 10s`, drawn by rich."""

    def __init__(self, label: str, unit: str, stream: TextIO) -> None:
        self._label = label
        self._unit = unit
        self._stream = stream
        self._bar: Bar | None = None

    def update(self, progress: Progress) -> None:
        """Draws the bar, the first time, or gives it what to draw next."""
        if self._bar is None:
            self._bar = _started_bar(self._label, self._stream)
        numbers = " · ".join(
            [f"{self._unit} {progress.step}/{progress.total_steps}", *details(progress)]
        )
        self._bar.update(
            self._bar.task_ids[0],
            completed=progress.step,
            total=progress.total_steps or None,  # None swings to and fro
            numbers=numbers,
        )

    def close(self) -> None:
        """Leaves the bar as it is, and the cursor below it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _started_bar(label: str, stream: TextIO) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    console = Console(file=stream, highlight=False)
    numbers = TextColumn(
        "{task.fields[numbers]}", markup=False, table_column=Column(no_wrap=True, ratio=None)
    )
    columns = [TextColumn("[bold]{task.description}"), numbers]
    if console.width >= NARROW:
        columns.insert(1, BarColumn(bar_width=max(10, min(40, console.width - 70))))  # type: ignore[arg-type]
    # Lines that others write go above the bar, not through it; those for a file stay there.
    bar = Bar(
        *columns,
        console=console,
        refresh_per_second=REDRAWS_PER_SECOND,
        redirect_stdout=sys.stdout.isatty(),
    )
    bar.add_task(label, total=None, numbers="")
    bar.start()
    return bar
