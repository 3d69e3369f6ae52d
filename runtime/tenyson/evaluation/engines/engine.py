"""What every engine does: one start, several models, the same samples for the same seeds."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

from tenyson.evaluation.completions import Completion, Request, Sampling

LogProbs = Mapping[int, float]
"""The likeliest first tokens of a completion with their log-probabilities."""
PROBED_TOKENS = 20
"""Tokens in a `LogProbs`; vLLM gives no more by default."""


class Engine(Protocol):
    """A base model with its adapters, ready to generate."""

    name: str
    """`hf` or `vllm`."""

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        model: str,
        *,
        done: Collection[str] = (),
        check_stop: Callable[[], None] = lambda: None,
    ) -> Iterator[dict[str, list[Completion]]]:
        """Yields the completions of some prompts by their keys, in the order of the draws.

        Args:
            requests: Every prompt of the evaluation; batches follow from all of them, so that a
                prompt is computed beside the same others when it is generated after a stop.
            sampling: How to draw.
            model: The adapter's name, or `completions.BASE`.
            done: Keys of those that are answered already.
            check_stop: Called every token; may raise to stop.
        """
        ...

    def first_log_probs(self, prompts: Sequence[Sequence[int]], model: str) -> list[LogProbs]:
        """Returns for each prompt the log-probabilities of its likeliest first tokens."""
        ...

    def close(self) -> None:
        """Frees what the engine holds."""
        ...
