"""All the guards of a run: which there are, and what they find in a row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenyson.config.guards import Action, GuardsConfig
from tenyson.contract import JobType
from tenyson.jobs.guards.gradients import GradientSpike
from tenyson.jobs.guards.hacking import RewardHacking
from tenyson.jobs.guards.rl_limits import rl_limits
from tenyson.jobs.guards.verdict import Guard, Verdict
from tenyson.numbers import is_number


@dataclass(frozen=True)
class Finding:
    """A verdict, and what is to happen now."""

    verdict: Verdict
    action: Action


class Panel:
    """The guards of a run that are not off."""

    def __init__(self, guards: Iterable[Guard], config: GuardsConfig) -> None:
        self._config = config
        self._guards = [guard for guard in guards if self._action(guard) != "off"]
        self._has_warned: set[str] = set()

    def observe(self, step: int, row: Mapping[str, Any]) -> list[Finding]:
        """Returns what the guards find in a logged row, the gravest first; each warns once."""
        metrics = {name: float(value) for name, value in row.items() if is_number(value)}
        verdicts = [(guard.observe(step, metrics), self._action(guard)) for guard in self._guards]
        found = [
            Finding(verdict, action)
            for verdict, action in verdicts
            if verdict is not None and verdict.guard not in self._has_warned
        ]
        self._has_warned |= {f.verdict.guard for f in found if f.action == "warn"}
        return sorted(found, key=lambda finding: finding.action == "warn")

    def remember(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Takes the rows of steps that an earlier attempt has done; nothing happens again."""
        for row in history:
            self.observe(int(row.get("step", 0)), row)

    @property
    def bad_since(self) -> int | None:
        """The first step that a rollback decided now would undo; None while all is well."""
        steps = [g.bad_since for g in self._guards if self._action(g) == "rollback"]
        return min((step for step in steps if step is not None), default=None)

    def _action(self, guard: Guard) -> Action:
        action: Action = getattr(self._config, guard.name)
        return action


def panel_of(
    config: GuardsConfig, job_type: JobType, reward_weights: Mapping[str, float] | None = None
) -> Panel:
    """Returns the guards of a job; `non_finite` is the trainer's own, it cannot wait for a row.

    Args:
        config: What each does.
        job_type: SFT samples nothing that could be watched.
        reward_weights: By reward function; None takes those that are logged as weighing alike.
    """
    guards: list[Guard] = [GradientSpike(config.grad_spike_factor, config.patience)]
    if job_type is JobType.RL:
        hacking = RewardHacking(config.patience, config.target, reward_weights)
        guards = [*rl_limits(config), hacking, *guards]
    return Panel(guards, config)
