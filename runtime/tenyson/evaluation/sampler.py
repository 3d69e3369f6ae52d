"""Sampling in which every row has random numbers of its own.

`torch.multinomial` draws for a whole batch from one generator, so a row's sample would hang on its
place in the batch. Here each row has a generator, and the next token is the winner of the
exponential race: argmax of p / q with q ~ Exp(1). Of all ways to draw from a distribution with
given random numbers it is among those that change least when p changes by a rounding error.

Source: Maddison, Tarlow, Minka, "A* Sampling" (NeurIPS 2014), section 2 (the Gumbel trick, of which
the race is the exponential).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from tenyson.evaluation.completions import Sampling


class SeededSampler(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Chooses the next token of each row that is sampled; greedy generation then takes it."""

    def __init__(
        self,
        sampling: Sampling,
        seeds: Sequence[int | None],
        device: Any,
        check_stop: Callable[[], None],
    ) -> None:
        """Takes one seed a row of the batch; None leaves the row greedy."""
        self._check_stop = check_stop
        self._rows = torch.tensor([i for i, s in enumerate(seeds) if s is not None], device=device)
        self._generators = [
            torch.Generator(device).manual_seed(seed) for seed in seeds if seed is not None
        ]
        self._warp = _warpers(sampling)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns the scores with a sampled row's choice above everything else in it."""
        self._check_stop()
        if not self._generators:
            return scores
        rows = self._rows
        warped = self._warp(input_ids[rows], scores[rows].float())
        probs = torch.softmax(warped, dim=-1)
        race = torch.empty_like(probs)
        for row, generator in zip(race, self._generators, strict=True):
            row.exponential_(generator=generator)
        chosen = (probs / race).argmax(dim=-1)
        decided = scores.clone()
        decided[rows] = float("-inf")
        decided[rows, chosen] = 0.0
        return decided


def _warpers(sampling: Sampling) -> Any:
    """Returns what turns scores into those that are sampled from, in transformers' order."""
    warpers = LogitsProcessorList()
    if sampling.temperature not in (0, 1):
        warpers.append(TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return warpers
