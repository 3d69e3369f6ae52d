"""What a trainer knows of a round of sampling beside its rewards."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RoundFacts:
    """Of one rank's completions in their order; by default nothing is known."""

    advantages: Sequence[float] | None = None
    logprob_gaps: Sequence[float | None] | None = None
    """Mean |log p of the sampler - log p of the trainer| over a completion's tokens; None where
    the sampler's are not known, as with Hugging Face generation."""
    ends: Collection[int] | None = None
    """Tokens that end a completion; one that ends with another was cut."""
    latency_seconds: float | None = None
    """From the request to the completions: all of a round come together, so each has waited as
    long as the round took."""

    def is_truncated(self, ids: Sequence[int] | None) -> bool | None:
        """Whether a completion was cut, as TRL counts its clipped ones; None where not known."""
        if ids is None or self.ends is None:
            return None
        return len(ids) > 0 and ids[-1] not in self.ends

    def advantage(self, row: int) -> float | None:
        """Returns a completion's advantage."""
        return None if self.advantages is None else self.advantages[row]

    def logprob_gap(self, row: int) -> float | None:
        """Returns a completion's gap."""
        return None if self.logprob_gaps is None else self.logprob_gaps[row]
