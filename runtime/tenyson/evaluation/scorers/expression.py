"""`math`: the completion's expression equals the expected one, by math-verify."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tenyson.errors import DependencyError

TIMEOUT_SECONDS = 5
_DELIMITERS = ("$", "\\boxed", "\\(", "\\[")


@dataclass(frozen=True)
class ExpressionScorer:
    """Compares expressions by value: 1/2, 0.5 and 50/100 are the same."""

    name: str = "math"

    @classmethod
    def of(cls) -> "ExpressionScorer":
        """Returns the scorer.

        Raises:
            DependencyError: math-verify is not installed.
        """
        try:
            import math_verify  # type: ignore[import-untyped]  # noqa: F401
        except ImportError as error:
            raise DependencyError(
                "The scorer math needs math-verify, which is not installed.",
                hint="Install it: pip install 'tenyson[math]'.",
            ) from error
        return cls()

    def problem(self, expected: str) -> str | None:
        """Returns why an expected answer cannot be compared with; None where it can."""
        if _gold(expected):
            return None
        return f"is {expected[:60]!a}, which math-verify reads no expression from"

    def score(self, completion: str, expected: str) -> float:
        """Returns 1 where the completion's expression has the expected value, else 0."""
        from math_verify import verify

        answer = _parse(completion)
        if not answer:
            return 0.0
        return float(verify(list(_gold(expected)), answer, timeout_seconds=_timeout()))


@lru_cache(maxsize=4096)
def _gold(expected: str) -> tuple[Any, ...]:
    """Returns what the expected answer may be read as; LaTeX is read between dollars only."""
    has_delimiters = any(mark in expected for mark in _DELIMITERS)
    tried = (expected,) if has_delimiters else (f"${expected}$", expected)
    return next((tuple(found) for text in tried if (found := _parse(text))), ())


def _parse(text: str) -> list[Any]:
    from math_verify import parse

    return list(parse(text, parsing_timeout=_timeout()))


def _timeout() -> int | None:
    """Returns math-verify's time limit: it is kept by a signal, which only the main thread gets."""
    is_main = threading.current_thread() is threading.main_thread()
    return TIMEOUT_SECONDS if is_main else None
