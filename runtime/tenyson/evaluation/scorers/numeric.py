"""`numeric`: the last number in the completion is the expected one."""

import re
from dataclasses import dataclass
from decimal import Decimal

_NUMBER = re.compile(
    # A sign after a digit, a letter or a bracket is an operator's: 10-7 ends with 7.
    r"(?:(?<![\w).])[-+\u2212])?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE][-+]?\d{1,3}(?!\d))?"
)
_AROUND = " \t\r\n$€£%"
"""Stand around numbers, and are no part of them."""


@dataclass(frozen=True)
class NumericScorer:
    """Compares numbers by value: 4, 4.0 and 4,000e-3 are the same."""

    tolerance: Decimal = Decimal(0)
    """Share of the expected number that an answer may be off by; 0 wants it exact."""
    name: str = "numeric"

    def problem(self, expected: str) -> str | None:
        """Returns why an expected answer cannot be compared with; None where it can."""
        if _whole_number(expected) is not None:
            return None
        return f"is {expected[:60]!a}, which is no number (math compares expressions)"

    def score(self, completion: str, expected: str) -> float:
        """Returns 1 where the completion's last number is the expected one, else 0."""
        wanted, numbers = _whole_number(expected), _numbers(completion)
        if wanted is None:
            raise ValueError(f"the expected answer {expected!r} is no number")
        if not numbers:
            return 0.0
        if not self.tolerance:  # without arithmetic, which rounds: every digit counts
            return float(numbers[-1] == wanted)
        return float(abs(numbers[-1] - wanted) <= self.tolerance * abs(wanted))


def _numbers(text: str) -> list[Decimal]:
    return [_decimal(match[0]) for match in _NUMBER.finditer(text)]


def _whole_number(text: str) -> Decimal | None:
    stripped = text.strip(_AROUND)
    return _decimal(stripped) if _NUMBER.fullmatch(stripped) else None


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("\u2212", "-"))
