"""Follows TenysonJobs until all have ended, as a table redrawn in place or as lines in a log."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live

from hack.demo.table import TERMINAL_PHASES, Row, draw, line, row_of

ListJobs = Callable[[], list[dict[str, Any]]]
_LINE_EVERY_SECONDS = 15.0


def follow(names: Sequence[str], list_jobs: ListJobs, check: Callable[[], None]) -> None:
    """Shows the named jobs until each is in a terminal phase.

    Args:
        names: The jobs, in the order in which they are shown.
        list_jobs: Returns the TenysonJobs as the API serves them.
        check: Called at every turn; raises when something that the jobs need has died.
    """
    show = _Redrawn() if sys.stdout.isatty() else _Lines()
    with show:
        while True:
            check()
            jobs = {job["metadata"]["name"]: job for job in list_jobs()}
            rows = [row_of(jobs[name]) for name in names if name in jobs]
            show.update(rows)
            if len(rows) == len(names) and all(row.phase in TERMINAL_PHASES for row in rows):
                return
            time.sleep(1.0)


class _Redrawn:
    """One table, redrawn in place."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._live = Live(console=Console(), refresh_per_second=4, transient=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, rows: Sequence[Row]) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self._live.update(draw(rows, f"TenysonJobs, {minutes}:{seconds:02d} since apply"))


class _Lines:
    """A line for each change of phase or of what it waits for, and for what runs every 15 s."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, str]] = {}
        self._printed: dict[str, float] = {}

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, rows: Sequence[Row]) -> None:
        now = time.monotonic()
        for row in rows:
            state = (row.phase, row.note)
            changed = self._states.get(row.name) != state
            due = now - self._printed.get(row.name, 0.0) >= _LINE_EVERY_SECONDS
            if changed or (due and row.phase == "Running"):
                print(line(row), flush=True)
                self._states[row.name], self._printed[row.name] = state, now
