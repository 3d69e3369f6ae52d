"""What is asked of a model, how completions are drawn, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tenyson.seeding import derive_seed

BASE = "base"
"""Names the model without any adapter."""
SAMPLED = "sampled"
"""Label of the samples' results where there are greedy ones; a named model's follows its name."""


@dataclass(frozen=True)
class Request:
    """One prompt."""

    key: str
    """Id of its row; samples are seeded by it."""
    ids: tuple[int, ...]
    """The prompt's tokens."""


@dataclass(frozen=True)
class Draw:
    """One completion that each prompt gets."""

    index: int
    """Number of the sample, from 0."""
    temperature: float
    """0 is greedy."""

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature == 0


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn."""

    max_new_tokens: int
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps every token."""
    num_samples: int = 1
    """Completions per prompt."""
    seed: int = 42
    include_greedy: bool = False
    """Whether a greedy completion comes before the samples."""

    @property
    def draws(self) -> tuple[Draw, ...]:
        """What every prompt gets, in the order of its completions."""
        samples = tuple(Draw(index, self.temperature) for index in range(self.num_samples))
        adds_greedy = self.include_greedy and self.temperature > 0
        return (Draw(0, 0.0), *samples) if adds_greedy else samples

    def seed_of(self, key: str, draw: Draw) -> int:
        """Returns the seed of one completion: the same whatever is drawn beside it."""
        return derive_seed(self.seed, "eval", key, draw.index)


@dataclass(frozen=True)
class Completion:
    """One answer of the model."""

    text: str
    tokens: int
    """Tokens generated, without the one that ended it."""
    is_truncated: bool
    """Whether it was cut at `max_new_tokens`."""
    ids: tuple[int, ...] = field(default=(), compare=False, repr=False)
    """The tokens, with the one that ended it; not kept in files."""
    latency_seconds: float | None = field(default=None, compare=False, repr=False)
    """What its batch took; None for one that an earlier attempt has kept."""


@dataclass(frozen=True)
class Tokens:
    """What an engine needs of a tokenizer: how to read tokens, and where completions end."""

    tokenizer: Any = field(repr=False)
    stops: tuple[int, ...]
    """Every token that ends a completion."""

    def completion(self, ids: Sequence[int]) -> Completion:
        """Returns the completion for generated tokens, cut at the first one that ends it."""
        end = next((place for place, token in enumerate(ids) if token in self.stops), None)
        kept = list(ids if end is None else ids[:end])
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        whole = tuple(ids if end is None else ids[: end + 1])
        return Completion(text, len(kept), is_truncated=end is None, ids=whole)


def stop_token_ids(generation_config: Any, tokenizer: Any) -> tuple[int, ...]:
    """Returns every token that ends a completion: the model's own, and the tokenizer's."""
    declared = getattr(generation_config, "eos_token_id", None)
    ids = declared if isinstance(declared, list) else [] if declared is None else [declared]
    return tuple(sorted({*ids, tokenizer.eos_token_id}))
