"""Groups whose completions all earn the same: which they are, and what is sampled in their place.

Advantages are measured within a group, so such a group moves no weight: what it cost to sample is
lost. DAPO leaves them out and samples others until the batch is full.
Source: Yu et al. 2025, "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", 3.2.
"""

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tenyson.seeding import derive_seed
from tenyson.telemetry.sample_rows import is_zero_variance, sample_deviation


def flat_groups(
    rewards: Mapping[str, Sequence[float]], weights: Sequence[float], size: int
) -> list[bool]:
    """Returns for each group whether its completions all earn the same.

    Args:
        rewards: By function, one number a completion; NaN where it does not apply.
        weights: One per function, in their order.
        size: Completions of a group, which stand together.
    """
    totals = [_total(row, weights) for row in zip(*rewards.values(), strict=True)]
    return [_is_flat(totals[i : i + size]) for i in range(0, len(totals), size)]


def groups_to_sample(missing: int, seen: Sequence[bool], at_most: int) -> int:
    """Returns how many groups to sample so that about as many as are missing teach something.

    Args:
        missing: Groups to be replaced.
        seen: Whether each group sampled so far was flat.
        at_most: Groups of a whole round.
    """
    useful = max(1, len(seen) - sum(seen))
    return min(at_most, math.ceil(missing * len(seen) / useful))


def unscored(rewards: Mapping[str, Sequence[float]]) -> int:
    """Returns how many completions no function gave a number for."""
    rows = zip(*rewards.values(), strict=True)
    return sum(all(math.isnan(value) for value in row) for row in rows)


def _total(row: Sequence[float], weights: Sequence[float]) -> float:
    parts = [value * weight for value, weight in zip(row, weights, strict=True)]
    known = [part for part in parts if not math.isnan(part)]
    return sum(known) if known else math.nan


def _is_flat(totals: Sequence[float]) -> bool:
    known = [total for total in totals if not math.isnan(total)]
    return not known or bool(is_zero_variance(sample_deviation(known)))


class FurtherPrompts:
    """Rows of the data set beyond the trainer's own order, in an order of their own.

    Every rank sees the same; `position` is all there is to save.
    """

    def __init__(self, rows: int, seed: int) -> None:
        """Takes the number of rows of the data set, and the run's seed."""
        self.position = 0
        self._rows = rows
        self._seed = seed
        self._order: list[int] = []
        self._pass = -1

    def take(self, count: int, but: Collection[int]) -> list[int]:
        """Returns the next rows that are none of `but`: `count`, or as many as there are."""
        taken: list[int] = []
        for _ in range(self._rows):
            if len(taken) == count:
                break
            row = self._at(self.position)
            self.position += 1
            if row not in but:
                taken.append(row)
        return taken

    def _at(self, position: int) -> int:
        number, place = divmod(position, self._rows)
        if number != self._pass:
            rng = random.Random(derive_seed(self._seed, "further prompts", number))
            self._order, self._pass = rng.sample(range(self._rows), self._rows), number
        return self._order[place]


@dataclass
class FilterCounts:
    """What the filter did in this attempt, for the reader of the result."""

    groups: int = 0
    flat: int = 0
    """Of them, those that earned all the same where they were first sampled."""
    extra_rounds: int = 0
    left: int = 0
    """Of `flat`, those that no other could be found for."""
    unscored: int = 0
    """Completions that every reward function gave None for."""

    def warnings(self, max_extra_rounds: int) -> list[str]:
        """Returns what a person should know of them."""
        told = []
        if self.left:
            told.append(
                f"rl.filter_zero_variance: {self.flat} of {self.groups} groups earned all the "
                f"same; {self.left} of them could not be replaced within rl.max_extra_rounds = "
                f"{max_extra_rounds} and taught nothing."
            )
        if self.unscored:
            told.append(
                f"{self.unscored} completions got None from every reward function; they count "
                "for nothing."
            )
        return told
