"""What a trainer logs, number by number, with what the attempt has used by then."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tenyson.jobs.limits.meter import Meter
from tenyson.jobs.measuring.measurements import peak_memory
from tenyson.jobs.recording.budget_forecast import BudgetForecast
from tenyson.phases import Phases
from tenyson.telemetry import Telemetry
from tenyson.telemetry.event_rows import MetricKind, metric_rows

MEMORY_SECONDS = 1.0
"""Between two looks at the memory, which cost more than all other numbers together."""
_SYSTEM = ("tokens_per_second",)


class LoggedNumbers:
    """Puts each logged row into `metrics`, one row a number.

    Kinds: `train` and `eval` by the trainer's names; `phase`, the seconds that each phase has taken
    since the row before; `system`: `tokens_per_second`, `seconds_per_step`, `cost` so far and at
    the end (`forecast_cost`, `forecast_hours`), `peak_memory_rss` and `peak_memory_cuda` in bytes.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        phases: Phases,
        meter: Meter,
        forecast: BudgetForecast,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Takes where rows go, and what measures the attempt."""
        self._telemetry = telemetry
        self._phases = phases
        self._meter = meter
        self._forecast = forecast
        self._now = now
        self._seconds: dict[str, float] = {}
        self._last = (0, 0.0)
        self._memory_at = float("-inf")

    def start(self, step: int) -> None:
        """Starts the clock at a step: what was before the training is in the attempt's own row."""
        self._seconds = self._phases.seconds()
        self._last = (step, self._now())

    def add(self, step: int, row: Mapping[str, float], remaining_seconds: float | None) -> None:
        """Takes a logged row.

        Args:
            step: Optimiser steps done.
            row: Numbers by the trainer's names.
            remaining_seconds: Until the last step; None where nobody knows.
        """
        numbers = by_kind(row)
        if "loss" in row:
            forecast = self._meter.forecast(remaining_seconds)
            self._forecast.see(step, forecast)
            numbers["phase"] = self._phases_since_last()
            numbers["system"] |= forecast | self._pace(step) | self._memory()
        at, run = datetime.now(UTC), self._telemetry.run
        count = sum(map(len, numbers.values()))
        self._telemetry.record_later(count, lambda: metric_rows(run, step, numbers, at))

    def _phases_since_last(self) -> dict[str, float]:
        before, self._seconds = self._seconds, self._phases.seconds()
        since = {n: round(s - before.get(n, 0.0), 3) for n, s in self._seconds.items()}
        return {name: seconds for name, seconds in since.items() if seconds > 0}

    def _pace(self, step: int) -> dict[str, float]:
        (last_step, then), self._last = self._last, (step, self._now())
        steps = step - last_step
        return {"seconds_per_step": (self._last[1] - then) / steps} if steps > 0 else {}

    def _memory(self) -> dict[str, float]:
        if self._last[1] - self._memory_at < MEMORY_SECONDS:
            return {}
        self._memory_at = self._last[1]
        return {f"peak_memory_{name}": float(size) for name, size in peak_memory().items()}


def by_kind(row: Mapping[str, float]) -> dict[MetricKind, dict[str, float]]:
    """Returns the numbers of a logged row by what they are of."""
    kinds: dict[MetricKind, dict[str, float]] = {"train": {}, "eval": {}, "system": {}}
    for name, value in row.items():
        kind: MetricKind = "eval" if name.startswith("eval_") else "train"
        kinds["system" if name in _SYSTEM else kind][name] = value
    return kinds
