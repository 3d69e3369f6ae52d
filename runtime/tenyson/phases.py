"""Where the wall time of an attempt goes, phase by phase; every second is in one phase only."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ORDER = ("load", "data", "generate", "reward", "sync", "forward_backward", "save", "eval")
"""The phases, in the order in which a result shows them.

`load` is all before the first step: libraries, model, data, checkpoint. `data` waits for batches,
`generate` samples, `reward` scores what was sampled, `sync` gives new weights to the engine.
`forward_backward` is the rest of the steps: passes, optimiser, what is logged. `save` is
checkpoints, results, uploads and the last rows of telemetry; `eval` is evaluation while training.
"""


class Phases:
    """A clock that always runs for exactly one phase; for the thread that trains alone.

    A phase measured within another stops the outer one's clock, so nothing counts twice and the
    phases add up to the time since the clock was made.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._seconds: dict[str, float] = {}
        self._running = ["load"]
        self._since = now()

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Counts the time within for the phase."""
        self._charge()
        self._running.append(phase)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def turn_to(self, phase: str) -> None:
        """Counts for the phase from here on, wherever no other is measured."""
        self._charge()
        self._running[0] = phase

    def seconds(self) -> dict[str, float]:
        """Returns the time of each phase so far; those that took none are left out."""
        self._charge()
        known = [phase for phase in ORDER if phase in self._seconds]
        others = [phase for phase in self._seconds if phase not in ORDER]
        return {phase: round(self._seconds[phase], 3) for phase in (*known, *others)}

    def _charge(self) -> None:
        now = self._now()
        phase = self._running[-1]
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._since
        self._since = now
