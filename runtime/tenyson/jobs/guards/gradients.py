"""The guard of gradients that leap far above what they were."""

import statistics
from collections import deque
from dataclasses import dataclass, field

from tenyson.jobs.guards.verdict import Advice, Metrics, Streak, Verdict

WINDOW = 100
"""Logged steps that the median is of."""
FEWEST = 20
"""Norms that a median needs to mean anything."""
ADVICE = Advice(
    "too high a learning rate, too short a warmup, or rows unlike the others",
    "lower training.learning_rate or raise training.warmup_steps; training.max_grad_norm bounds "
    "what one step can do",
)


@dataclass
class GradientSpike:
    """Watches the gradient's norm against the median of those before it."""

    factor: float
    patience: int
    name: str = "grad_spike"
    _norms: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _streak: Streak = field(init=False)

    def __post_init__(self) -> None:
        self._streak = Streak(self.patience)

    @property
    def bad_since(self) -> int | None:
        """The first spike of those that follow each other just now."""
        return self._streak.since

    def observe(self, step: int, metrics: Metrics) -> Verdict | None:
        """Takes one row; returns a verdict when spike has followed spike."""
        norm = metrics.get("grad_norm")
        if norm is None:
            return None
        median = statistics.median(self._norms) if len(self._norms) >= FEWEST else None
        is_spike = median is not None and norm > self.factor * median
        # Groups that all earn the same have no gradient, which is no measure of the others; nor is
        # a spike, which would raise the median that the next one is held against.
        if norm > 0 and not is_spike:
            self._norms.append(norm)
        if not self._streak.add(step, is_spike):
            return None
        since = self._streak.since if self._streak.since is not None else step
        seen = (
            f"the gradient's norm was over {self.factor:g} times its running median "
            f"({median:.3g}) for {self.patience} logged steps, {norm:.3g} at the last"
        )
        return Verdict(self.name, since, step, seen, ADVICE)
