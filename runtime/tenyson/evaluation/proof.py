"""Proof that an adapter takes part in what is evaluated, whichever engine it is."""

import math
from collections.abc import Sequence
from pathlib import Path

from tenyson.errors import CheckpointError
from tenyson.evaluation.completions import BASE, Request
from tenyson.evaluation.engines.engine import Engine, LogProbs

PROBES = 8
"""Prompts whose first token is looked at."""


def prove_adapters(
    engine: Engine, requests: Sequence[Request], folders: dict[str, Path]
) -> dict[str, float]:
    """Returns by adapter the largest change that it makes to a first token's log-probability.

    Args:
        engine: With the adapters loaded.
        requests: The evaluation's prompts.
        folders: By adapter, where it came from.

    Raises:
        CheckpointError: An adapter changes nothing, or a model's scores are not finite.
    """
    probes = [request.ids for request in requests[:PROBES]]
    base = engine.first_log_probs(probes, BASE)
    _require_numbers(base, "The base model")
    changes = {}
    for name, folder in folders.items():
        adapted = engine.first_log_probs(probes, name)
        _require_numbers(adapted, f"The model with the adapter in {folder}")
        if adapted == base:
            raise CheckpointError(
                f"The adapter in {folder} changes nothing: with it and without it the first "
                f"token's log-probabilities are the same on {len(probes)} prompts.",
                hint="An adapter that was never trained does nothing (its B matrices are 0). "
                "Evaluate the base model instead, or look at the run that made it.",
            )
        changes[name] = _largest_change(base, adapted)
    return changes


def _require_numbers(log_probs: Sequence[LogProbs], what: str) -> None:
    # -inf is a token that cannot come, NaN and +inf are a model that is broken.
    if not all(p < math.inf for row in log_probs for p in row.values()) or not all(log_probs):
        raise CheckpointError(
            f"{what} gives scores that are no numbers (NaN).",
            hint="Its weights are damaged, or overflow in model.dtype; try bfloat16 or float32.",
        )


def _largest_change(base: Sequence[LogProbs], adapted: Sequence[LogProbs]) -> float:
    """Returns the largest difference over tokens that both name; inf where they share none."""
    shared = [
        abs(before[token] - after[token])
        for before, after in zip(base, adapted, strict=True)
        for token in before.keys() & after.keys()
    ]
    return max(shared, default=math.inf)
