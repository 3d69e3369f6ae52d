"""A batch of sampled completions put together from the rows of several."""

from collections.abc import Sequence
from typing import Any

import torch

Batch = dict[str, Any]

PADDED_ON_THE_LEFT = ("prompt_ids", "prompt_mask")
PER_TOKEN = (
    "completion_ids",
    "completion_mask",
    "tool_mask",
    "old_per_token_logps",
    "ref_per_token_logps",
    "sampling_per_token_logps",
    "importance_sampling_ratio",
)
PER_ROW = ("advantages",)
OF_THE_WHOLE = ("num_items_in_batch",)


def pick_rows(picks: Sequence[tuple[Batch, slice]], pad_token_id: int) -> Batch:
    """Returns a batch of TRL's with the rows picked, in their order, padded to one width.

    `num_items_in_batch` is left out: the caller counts it over all ranks.

    Args:
        picks: Each a batch and the rows to take of it.
        pad_token_id: Fills up token ids; masks and log-probabilities are filled with 0.

    Raises:
        NotImplementedError: The batches hold something that is not known to be of a row.
    """
    first = picks[0][0]
    known = {*PADDED_ON_THE_LEFT, *PER_TOKEN, *PER_ROW, *OF_THE_WHOLE}
    if strange := sorted(first.keys() - known):
        raise NotImplementedError(f"rows with {', '.join(strange)} cannot be put together")
    return {
        name: _stacked(
            [batch[name][rows] for batch, rows in picks],
            fill=pad_token_id if name.endswith("_ids") else 0,
            on_the_left=name in PADDED_ON_THE_LEFT,
        )
        for name in first
        if name not in OF_THE_WHOLE
    }


def _stacked(parts: list[torch.Tensor], *, fill: int, on_the_left: bool) -> torch.Tensor:
    if parts[0].ndim == 1:
        return torch.cat(parts)
    width = max(part.size(1) for part in parts)
    return torch.cat([_padded(part, width, fill, on_the_left) for part in parts])


def _padded(part: torch.Tensor, width: int, fill: int, on_the_left: bool) -> torch.Tensor:
    missing = width - part.size(1)
    sides = (missing, 0) if on_the_left else (0, missing)
    return torch.nn.functional.pad(part, sides, value=fill)


def trained_tokens(batch: Batch) -> torch.Tensor:
    """Returns how many tokens of the batch's completions the loss is taken over."""
    mask: torch.Tensor = batch["completion_mask"]
    return (mask * batch["tool_mask"] if "tool_mask" in batch else mask).sum()
