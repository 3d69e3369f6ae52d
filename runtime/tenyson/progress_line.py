"""Progress for a reader of a log: a line now and then, the first and the last step always."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from tenyson.progress import Progress

SECONDS_BETWEEN_LINES = 10.0
SHOWN = ("loss", "reward")


class ProgressDisplay(Protocol):
    """Shows progress until it is closed."""

    def update(self, progress: Progress) -> None:
        """Takes the newest progress."""

    def close(self) -> None:
        """Leaves the place to what follows."""


class ProgressLine:
    """Writes progress to a stream in plain words."""

    def __init__(
        self,
        label: str,
        unit: str = "step",
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = label
        self._unit = unit
        self._stream = stream or sys.stderr
        self._now = now
        self._lines = 0
        self._written_at = 0.0
        self._last_step: int | None = -1

    def update(self, progress: Progress) -> None:
        """Shows the progress, where it is time for that."""
        if not self._is_due(progress):
            return
        self._lines += 1
        self._written_at, self._last_step = self._now(), progress.step
        self._stream.write(describe(progress, self._label, self._unit) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Ends nothing: each line has its end."""

    def _is_due(self, progress: Progress) -> bool:
        if progress.step == self._last_step:
            return False
        # The start, then the first step, which shows whether it trains at all.
        is_first = self._lines < 2
        return (
            is_first or progress.is_last or self._now() - self._written_at >= SECONDS_BETWEEN_LINES
        )


def describe(progress: Progress, label: str, unit: str) -> str:
    """Returns `SFT step 12/100 (12 %) · loss 0.4321 · 1.2k tok/s · ETA 1m 05s`."""
    head = f"{label} {unit} {progress.step}/{progress.total_steps} ({progress.percentage} %)"
    return " · ".join([head, *details(progress)])


def details(progress: Progress) -> list[str]:
    """Returns what there is to say beside how far it is: metrics, speed, time left."""
    metrics = progress.metrics
    parts = [f"{name} {metrics[name]:.4g}" for name in SHOWN if name in metrics]
    if speed := _speed(metrics):
        parts.append(speed)
    if progress.remaining_seconds is not None and not progress.is_last:
        parts.append(f"ETA {duration(progress.remaining_seconds)}")
    if progress.note:
        parts.append(progress.note)
    return parts


def _speed(metrics: Mapping[str, float]) -> str:
    rate = metrics.get("tokens_per_second")
    if rate is None:
        return ""
    return f"{rate / 1000:.1f}k tok/s" if rate >= 1000 else f"{rate:.0f} tok/s"


def duration(seconds: float) -> str:
    """Returns `42s`, `1m 05s` or `3h 07m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
