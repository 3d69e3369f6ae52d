"""Guards of a limit: a metric that stays on the wrong side of it."""

from dataclasses import dataclass, field
from typing import Literal

from tenyson.jobs.guards.verdict import Advice, Metrics, Streak, Verdict

ALIKE = 0.05
"""Rewards are alike where they deviate by less than this share of their mean."""


@dataclass
class Limit:
    """Watches one metric against one limit."""

    name: str
    metric: str
    """As the trainer logs it."""
    side: Literal["above", "below"]
    """Where it is bad."""
    limit: float
    patience: int
    what: str
    """The metric in words, as the subject of a sentence."""
    advice: Advice
    share_of_start: float | None = None
    """Beside the limit, only less than this share of what the run began with is bad: for metrics
    whose natural level is the task's. None asks for no fall."""
    rewards_must_differ: bool = False
    """Whether it is bad only while completions still earn differently: a policy that earns the
    same everywhere has nothing left to learn, and may be as certain as it is."""
    _streak: Streak = field(init=False)
    _start: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._streak = Streak(self.patience)

    @property
    def bad_since(self) -> int | None:
        """The first step on the wrong side, if the last one is there, too."""
        return self._streak.since

    def observe(self, step: int, metrics: Metrics) -> Verdict | None:
        """Takes one row; returns a verdict when it has stayed on the wrong side for long."""
        value = metrics.get(self.metric)
        if value is None:
            return None
        if len(self._start) < self.patience:
            self._start.append(value)
        is_bad = self._is_bad(value) and not (self.rewards_must_differ and _are_alike(metrics))
        if not self._streak.add(step, is_bad):
            return None
        since = self._streak.since if self._streak.since is not None else step
        seen = (
            f"{self.what} stayed {self.side} {self.limit:g} for {self.patience} logged steps, "
            f"{value:.4g} at the last"
        )
        return Verdict(self.name, since, step, seen, self.advice)

    def _is_bad(self, value: float) -> bool:
        if self.side == "above":
            return value > self.limit
        has_fallen = self.share_of_start is None or value < max(self._start) * self.share_of_start
        return value < self.limit and has_fallen


def _are_alike(metrics: Metrics) -> bool:
    spread, mean = metrics.get("reward_std"), metrics.get("reward")
    if spread is None or mean is None:
        return False
    return spread < ALIKE * max(1e-9, abs(mean))
