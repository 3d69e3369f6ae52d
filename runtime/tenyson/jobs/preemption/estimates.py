"""How long the running step will still take, and how long a save: learnt while the run goes on."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

KEPT = 20
"""Timings remembered: enough to smooth, few enough to follow a run that grows slower."""
SPREAD = 0.1
"""Part of a step's usual time by which it may take longer."""
GUESSED_BYTES_PER_SECOND = 100e6
"""Writing, syncing and hashing a checkpoint on a middling disk; used before the first save."""


class StepPace:
    """Times steps, and within them the rounds of sampling, which only some steps have."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sampling: deque[float] = deque(maxlen=KEPT)
        self._training: deque[float] = deque(maxlen=KEPT)
        self._started = self._round_started = clock()
        self._rounds_left = 0
        self._sampled = 0.0

    def begin(self, rounds: int = 0) -> None:
        """Starts a step.

        Args:
            rounds: Rounds of sampling that it has.
        """
        self._started = self._round_started = self._clock()
        self._rounds_left, self._sampled = rounds, 0.0

    def begin_round(self) -> None:
        """Starts a round of sampling."""
        self._round_started = self._clock()

    def end_round(self) -> None:
        """Ends a round of sampling, its rewards included."""
        took = self._clock() - self._round_started
        self._sampling.append(took)
        self._sampled += took
        self._rounds_left = max(0, self._rounds_left - 1)

    def end(self) -> None:
        """Ends the step."""
        self._training.append(self._clock() - self._started - self._sampled)

    def remaining(self) -> float:
        """Returns the seconds that are probably left of the running step.

        One that has passed its usual time is taken to need as much again as it is late by now; of
        the first step, of which nothing is known, as much is left as has passed.
        """
        elapsed = self._clock() - self._started
        if not self._training or (self._rounds_left and not self._sampling):
            return elapsed
        sampling = self._rounds_left * median(self._sampling) if self._rounds_left else 0.0
        usual = self._sampled + sampling + median(self._training)
        return abs(usual - elapsed) + SPREAD * usual

    def usual(self) -> float:
        """Returns the time of a usual step, its sampling included; 0 before the first has ended."""
        sampling = median(self._sampling) if self._sampling else 0.0
        return sampling + median(self._training) if self._training else 0.0


class SaveCost:
    """Times saves."""

    def __init__(
        self, guess_seconds: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.guess_seconds = guess_seconds
        """Stands for the first save until it has been timed."""
        self._clock = clock
        self._taken: deque[float] = deque(maxlen=5)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Times the block, if it ends well."""
        started = self._clock()
        yield
        self._taken.append(self._clock() - started)

    def usual(self) -> float | None:
        """Returns the median; None before the first save."""
        return median(self._taken) if self._taken else None

    def at_most(self) -> float:
        """Returns the longest of late, which a save that must not be late is planned with."""
        return max(self._taken, default=self.guess_seconds)


def guess_save_seconds(trained_bytes: int) -> float:
    """Returns a first guess of a save: the trained weights and Adam's two moments of each."""
    return 0.5 + 3 * trained_bytes / GUESSED_BYTES_PER_SECOND
