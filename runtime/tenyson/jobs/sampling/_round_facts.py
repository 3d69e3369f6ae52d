"""From a batch of TRL's to what telemetry says of its completions.

Source: trl 1.16.0, the end of `GRPOTrainer._generate_and_score_completions`: `advantages` of this
rank's rows, `old_per_token_logps` of the trainer, `sampling_per_token_logps` of vLLM with NaN for
tokens that it could not score, and masks of what the model wrote itself.
"""

from collections.abc import Collection

import torch

from tenyson.jobs.sampling._batches import Batch
from tenyson.jobs.sampling.round_facts import RoundFacts


def facts_of(batch: Batch, ends: Collection[int], latency_seconds: float) -> RoundFacts:
    """Returns what a batch says of its completions.

    Args:
        batch: As TRL's trainer returns it.
        ends: Tokens that end a completion.
        latency_seconds: That the round's generation took.
    """
    return RoundFacts(
        advantages=batch["advantages"].tolist(),
        logprob_gaps=logprob_gaps(batch),
        ends=frozenset(ends),
        latency_seconds=latency_seconds,
    )


def logprob_gaps(batch: Batch) -> list[float | None] | None:
    """Returns each completion's mean gap; None where the sampler does not tell.

    A completion of whose tokens none counts has None, too.
    """
    trainers, samplers = batch.get("old_per_token_logps"), batch.get("sampling_per_token_logps")
    if trainers is None or samplers is None:
        return None
    mask = batch["completion_mask"].bool()
    if "tool_mask" in batch:
        mask = mask & batch["tool_mask"].bool()
    gaps = (trainers - samplers).abs()
    known = mask & ~torch.isnan(gaps)
    sums = torch.where(known, gaps, 0.0).sum(dim=1).tolist()
    counts = known.sum(dim=1).tolist()
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]
