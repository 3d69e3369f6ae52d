"""`regex:PATTERN`: what the pattern finds last in the completion is the expected answer."""

from dataclasses import dataclass, field
from typing import Any

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.evaluation.scorers.exact import ExactScorer

TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class PatternScorer:
    """Takes an answer out of a completion; see `of` for how to make one."""

    pattern: Any = field(repr=False)
    name: str = "regex"

    @classmethod
    def of(cls, pattern: str) -> "PatternScorer":
        """Returns the scorer of a regular expression; its first group is the answer, if it has one.

        Raises:
            ConfigError: It is no regular expression.
        """
        import regex  # takes a time limit, which re does not

        try:
            return cls(regex.compile(pattern))
        except regex.error as error:
            raise ConfigError(
                [Problem("task.scorer", f"{pattern!r} is no regular expression: {error}")],
                hint=r"Write regex:PATTERN, such as 'regex:answer is (\S+)'.",
            ) from error

    def problem(self, expected: str) -> str | None:
        """Returns why an expected answer cannot be compared with; None where it can."""
        return ExactScorer().problem(expected)

    def score(self, completion: str, expected: str) -> float:
        """Returns 1 where what was found is the expected answer, else 0.

        Raises:
            TaskError: The pattern takes too long.
        """
        found = None
        try:
            for match in self.pattern.finditer(completion, timeout=TIMEOUT_SECONDS):
                found = match
        except TimeoutError as error:
            raise TaskError(
                f"The pattern {self.pattern.pattern!r} took more than {TIMEOUT_SECONDS:g} s on a "
                f"completion of {len(completion):,} characters.",
                hint="A repetition within a repetition, (a+)+, tries every way to split a text.",
            ) from error
        if found is None:
            return 0.0
        answer = found[1] if self.pattern.groups else found[0]
        return ExactScorer().score(answer or "", expected)
