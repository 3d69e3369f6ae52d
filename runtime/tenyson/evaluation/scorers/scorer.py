"""What every scorer does."""

from typing import Protocol


class Scorer(Protocol):
    """Compares a completion with an expected answer."""

    name: str
    """Of the metric, which is the mean of its scores."""

    def problem(self, expected: str) -> str | None:
        """Returns why an expected answer cannot be compared with; None where it can."""
        ...

    def score(self, completion: str, expected: str) -> float:
        """Returns 1 where the completion gives the expected answer, else 0."""
        ...
