"""Tokens that an attempt has read, sampled and trained on, and how fast."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class TokenCounts:
    """Tokens over all ranks, counted by whoever handles them."""

    prompt: int = 0
    """Read: prompts, and in SFT what the loss leaves out."""
    completion: int = 0
    """Sampled."""
    trained: int = 0
    """Those that the loss was taken over, each time it was."""
    processed: int = 0
    """Read and sampled, each text once: what a rate is of."""
    now: Callable[[], float] = field(default=time.perf_counter, repr=False)
    _started: float | None = None
    _ended: float | None = None
    _last: tuple[float, int] = (0.0, 0)

    def start(self) -> None:
        """Starts the clock of the rates, or goes on after a stop: a run may train anew."""
        now = self.now()
        self._started = now if self._started is None else self._started
        self._ended = None
        self._last = (now, self.processed)

    def stop(self) -> None:
        """Stops that clock: what comes now is no work on tokens."""
        self._ended = self.now()

    def add_sampled(self, *, prompt: int, completion: int) -> None:
        """Counts completions and the prompts that they answer."""
        self.prompt += prompt
        self.completion += completion
        self.processed = self.prompt + self.completion

    def rate_since_last(self) -> float | None:
        """Returns tokens a second since the last call, or the start; None without any."""
        now, (then, before) = self.now(), self._last
        if self._started is None or self.processed == before or now <= then:
            return None
        self._last = (now, self.processed)
        return (self.processed - before) / (now - then)

    def rate(self) -> float | None:
        """Returns tokens a second since the start; None without any."""
        if self._started is None or not self.processed:
            return None
        seconds = (self.now() if self._ended is None else self._ended) - self._started
        return self.processed / seconds if seconds > 0 else None

    def as_result(self) -> dict[str, int]:
        """Returns the counts as a JobResult holds them; none where nothing was counted."""
        counts = {"prompt": self.prompt, "completion": self.completion, "trained": self.trained}
        return counts if any(counts.values()) else {}
