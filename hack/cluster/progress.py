"""What is said on the terminal while a long step runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str], None]
"""Takes one line for the reader."""


def silent(line: str) -> None:
    """Say nothing, as tests want it."""


def to_terminal(line: str) -> None:
    """Write the line to standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def step(report: Report, title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    report(f"{title} …")
    began = time.monotonic()
    yield
    report(f"  done in {time.monotonic() - began:.1f} s")


class MovingLine:
    """One line that shows that a long step moves: redrawn on a terminal, else every 30 s."""

    def __init__(self, report: Report, every_seconds: float = 30.0) -> None:
        self._report = report
        self._redraws = report is to_terminal and sys.stderr.isatty()
        self._every_seconds = 0.5 if self._redraws else every_seconds
        self._shown_at = time.monotonic()

    def show(self, text: str) -> None:
        """Show the newest state of the step, if the last one has stood long enough."""
        if time.monotonic() - self._shown_at < self._every_seconds:
            return
        self._shown_at = time.monotonic()
        if self._redraws:
            sys.stderr.write(f"\r\x1b[K  {text}")
            sys.stderr.flush()
        else:
            self._report(f"  {text}")

    def end(self) -> None:
        """Leave the terminal at the start of a clean line."""
        if self._redraws:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
