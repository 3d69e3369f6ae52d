"""What a guard says once it has seen enough, and how long that takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Metrics = Mapping[str, float]
"""One row of what the trainer logs; numbers only."""


@dataclass(frozen=True)
class Advice:
    """What a reader should know of a guard that has spoken."""

    causes: str
    """What usually brings it about."""
    remedy: str
    """What to change."""


@dataclass(frozen=True)
class Verdict:
    """A guard's finding: what was seen, over which steps, and what to do about it."""

    guard: str
    """The field of `guards` that says what happens now."""
    since_step: int
    """The first bad step; what was saved before it is good."""
    step: int
    seen: str
    """A clause, `entropy stayed below 0.01`."""
    advice: Advice

    @property
    def message(self) -> str:
        """What was seen, as a sentence."""
        return f"{self.seen} (steps {self.since_step} to {self.step})."

    @property
    def diagnosis(self) -> str:
        """Why that may be, and what to change."""
        return (
            f"Likely causes: {self.advice.causes}. What to change: {self.advice.remedy}. "
            f"If the run is meant to do so, set guards.{self.guard}: off."
        )


class Guard(Protocol):
    """Watches one thing; holds what it needs of the rows it has seen."""

    name: str

    @property
    def bad_since(self) -> int | None:
        """The first step of what may become a verdict; None while all is well."""

    def observe(self, step: int, metrics: Metrics) -> Verdict | None:
        """Takes one row; returns a verdict at the row that completes one, once."""


@dataclass
class Streak:
    """Bad rows one after another; rows that say nothing do not end it."""

    patience: int
    """Rows that make a verdict."""
    since: int | None = None
    count: int = 0

    def add(self, step: int, is_bad: bool) -> bool:
        """Whether this row is the one that completes the streak."""
        if not is_bad:
            self.since, self.count = None, 0
            return False
        self.since = step if self.since is None else self.since
        self.count += 1
        return self.count == self.patience
