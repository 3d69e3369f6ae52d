"""Progress for a reader: one line redrawn on a terminal, a line now and then in a log."""

import sys
from typing import TextIO

from tenyson.progress import Progress

LINES_PER_RUN = 20
"""Lines that a whole run leaves in a log, about."""


class ProgressLine:
    """Writes progress to a stream in plain words."""

    def __init__(self, label: str, unit: str = "step", stream: TextIO | None = None) -> None:
        self._label = label
        self._unit = unit
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._drawn = 0
        self._last_step = -1

    def update(self, progress: Progress) -> None:
        """Shows the progress, where it is time for that."""
        text = describe(progress, self._label, self._unit)
        if self._is_terminal:
            self._stream.write("\r" + text.ljust(self._drawn))
            self._stream.flush()
            self._drawn = len(text)
        elif self._is_due(progress):
            self._stream.write(text + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Ends the line on a terminal, so that what follows starts on its own."""
        if self._is_terminal and self._drawn:
            self._stream.write("\n")
            self._stream.flush()
            self._drawn = 0

    def _is_due(self, progress: Progress) -> bool:
        every = max(1, progress.total_steps // LINES_PER_RUN)
        is_new = progress.step != self._last_step
        starts_block = progress.step // every != self._last_step // every
        self._last_step = progress.step
        return is_new and (starts_block or progress.step >= progress.total_steps)


def describe(progress: Progress, label: str, unit: str) -> str:
    """Returns `SFT step 12/100 (12 %) · loss 0.4321 · ETA 1m 05s`."""
    parts = [f"{label} {unit} {progress.step}/{progress.total_steps} ({progress.percentage} %)"]
    parts += [
        f"{name} {progress.metrics[name]:.4g}"
        for name in ("loss", "reward", "learning_rate")
        if name in progress.metrics
    ]
    if progress.remaining_seconds is not None and progress.step < progress.total_steps:
        parts.append(f"ETA {duration(progress.remaining_seconds)}")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Returns `42s`, `1m 05s` or `3h 07m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
