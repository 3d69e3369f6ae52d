"""`exact`: the completion is the expected answer, white space around and between words apart."""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class ExactScorer:
    """Compares whole texts."""

    ignore_case: bool = False
    name: str = "exact"

    def problem(self, expected: str) -> str | None:
        """Returns why an expected answer cannot be compared with; None where it can."""
        return None if self._plain(expected) else "is empty"

    def score(self, completion: str, expected: str) -> float:
        """Returns 1 where both texts are the same, else 0."""
        return float(self._plain(completion) == self._plain(expected))

    def _plain(self, text: str) -> str:
        # One letter may be one code point or two: é, and e with an accent that combines.
        plain = " ".join(unicodedata.normalize("NFC", text).split())
        return plain.casefold() if self.ignore_case else plain
