"""Which groups keep their completions' text; a group's numbers are always kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tenyson.config.telemetry import Keep
from tenyson.telemetry.sample_rows import is_zero_variance, sample_deviation
from tenyson.telemetry.samples import PromptGroup


@dataclass(frozen=True)
class Retention:
    """What `telemetry.keep` and `telemetry.keep_every` say."""

    keep: Keep = "all"
    every: int = 10

    def apply(self, step: int, groups: Sequence[PromptGroup]) -> Sequence[PromptGroup]:
        """Returns the groups of one round of sampling; those not kept have no texts."""
        if self.keep == "all":
            return groups
        kept = self._kept(step, groups)
        return [group if group.index in kept else _without_texts(group) for group in groups]

    def _kept(self, step: int, groups: Sequence[PromptGroup]) -> set[int]:
        """Places of the groups that are kept: the same ones when a step is done again."""
        if self.keep == "every_k":
            # The step shifts the places, so that each place is seen sooner or later.
            return {group.index for group in groups if (step + group.index) % self.every == 0}
        means = {group.index: mean for group in groups if (mean := _mean(group)) is not None}
        if not means:
            return set()
        extremes = {max(means, key=means.__getitem__), min(means, key=means.__getitem__)}
        return extremes | {group.index for group in groups if _is_flat(group)}


def _mean(group: PromptGroup) -> float | None:
    totals = [c.total for c in group.completions if c.total is not None]
    return sum(totals) / len(totals) if totals else None


def _is_flat(group: PromptGroup) -> bool:
    totals = [c.total for c in group.completions if c.total is not None]
    return bool(is_zero_variance(sample_deviation(totals)))


def _without_texts(group: PromptGroup) -> PromptGroup:
    return replace(group, completions=[replace(c, text=None) for c in group.completions])
