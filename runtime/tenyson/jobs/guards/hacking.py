"""The guard of a reward that rises while what it is there for falls."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tenyson.jobs.guards.verdict import Advice, Metrics, Streak, Verdict

CERTAIN = 4.0
"""Standard errors that a slope must be away from zero: rows of one run depend on each other."""
WINDOW = 30
"""Logged steps that a trend is of."""
FEWEST = 12
ADVICE = Advice(
    "the policy has found a way to earn reward that the target does not pay for",
    "look at the best rewarded completions in telemetry; lower the weight of the reward that "
    "rises (rl.reward_weights), or add a KL term (rl.beta)",
)


@dataclass
class RewardHacking:
    """Watches the trend of the total reward against that of the targets."""

    patience: int
    target: str | None = None
    """A logged metric; None takes the reward functions of the largest weight."""
    weights: Mapping[str, float] | None = None
    """By reward function; None weighs all that are logged alike."""
    name: str = "reward_hacking"
    _series: dict[str, deque[float]] = field(default_factory=dict)
    _streak: Streak = field(init=False)

    def __post_init__(self) -> None:
        self._streak = Streak(self.patience)

    @property
    def bad_since(self) -> int | None:
        """The first step at which the trends had parted."""
        return self._streak.since

    def observe(self, step: int, metrics: Metrics) -> Verdict | None:
        """Takes one row; returns a verdict when reward and target have parted for long."""
        targets = [self.target] if self.target else heaviest(metrics, self.weights)
        for name in ("reward", *targets):
            if name in metrics:
                self._series.setdefault(name, deque(maxlen=WINDOW)).append(metrics[name])
        if "reward" not in metrics:
            return None
        falling = [name for name in targets if self._trend(name) < -CERTAIN]
        if not self._streak.add(step, bool(falling) and self._trend("reward") > CERTAIN):
            return None
        since = self._streak.since if self._streak.since is not None else step
        first, last = self._series[falling[0]][0], self._series[falling[0]][-1]
        seen = (
            f"the reward rises ({self._series['reward'][0]:.3g} to {metrics['reward']:.3g}) while "
            f"{falling[0]} falls ({first:.3g} to {last:.3g})"
        )
        return Verdict(self.name, since, step, seen, ADVICE)

    def _trend(self, name: str) -> float:
        series = self._series.get(name, ())
        return slope_in_standard_errors(list(series)) if len(series) >= FEWEST else 0.0


def heaviest(metrics: Metrics, weights: Mapping[str, float] | None) -> list[str]:
    """Returns the mean of each reward function of the largest weight, as it is logged.

    By name, for rows have no order to rely on: those of a checkpoint are sorted, and a function
    that applied nowhere is in none. With one function there is none: it is the reward itself.
    """
    if weights:
        names = [f"rewards/{n}/mean" for n, w in weights.items() if w == max(weights.values())]
        return names if len(weights) > 1 else []
    names = [n for n in metrics if n.startswith("rewards/") and n.endswith("/mean")]
    return names if len(names) > 1 else []


def slope_in_standard_errors(values: Sequence[float]) -> float:
    """Returns the least squares slope over equal steps, in its standard errors; 0 is no trend."""
    count = len(values)
    middle, mean = (count - 1) / 2, sum(values) / count
    spread = sum((i - middle) ** 2 for i in range(count))
    slope = sum((i - middle) * (v - mean) for i, v in enumerate(values)) / spread
    rest = sum((v - mean - slope * (i - middle)) ** 2 for i, v in enumerate(values))
    error = math.sqrt(rest / (count - 2) / spread)
    if abs(slope) * count <= 1e-9 * max(1e-12, *(abs(v) for v in values)):
        return 0.0
    return slope / error if error > 0 else math.copysign(math.inf, slope)
