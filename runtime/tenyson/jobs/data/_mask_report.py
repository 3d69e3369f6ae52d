"""What training will learn from: how many tokens count, and whether one of them ends the answer.

Counted in the very batches that the collator makes, on a sample of the rows.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from tenyson.errors import TaskError

SAMPLED_ROWS = 256
IGNORED = -100
"""Label of a token that is not trained."""


@dataclass(frozen=True)
class MaskReport:
    """Counts over the sampled rows; a token counts where the loss looks at it."""

    rows: int
    examples: int
    """More than `rows` where rows are packed."""
    tokens: int
    """That could be trained: all but padding and the first of each example."""
    trained_tokens: int
    examples_without: int
    """Examples with no token that is trained."""
    examples_stopping: int
    """Examples whose stop token is trained."""

    @property
    def trained_share(self) -> float:
        """Of the tokens, from 0 to 1."""
        return self.trained_tokens / self.tokens if self.tokens else 0.0

    @property
    def trains_stop(self) -> bool:
        """Whether the stop token is trained in at least one example."""
        return self.examples_stopping > 0

    def to_dict(self) -> dict[str, Any]:
        """Returns the counts and the shares as JSON values."""
        shares = {
            "trained_share": round(self.trained_share, 4),
            "untrained_examples_share": round(self.examples_without / max(1, self.examples), 4),
            "stop_token_trained": self.trains_stop,
        }
        return {**asdict(self), **shares}


def report_masks(
    rows: Sequence[dict[str, Any]],
    collate: Callable[[list[dict[str, Any]]], Any],
    *,
    batch_size: int,
    stop_ids: set[int],
    pad_id: int | None,
) -> MaskReport:
    """Returns the counts over `rows`, as `collate` makes batches of them.

    Raises:
        TaskError: The collator raised, or its batches hold no labels.
    """
    counts = [0, 0, 0, 0, 0]
    for start in range(0, len(rows), batch_size):
        batch = _collated(collate, [dict(row) for row in rows[start : start + batch_size]])
        for ids, labels in _examples(batch, pad_id):
            trained = labels[1:] != IGNORED  # what follows the first token is predicted from it
            stops = [int(label) in stop_ids for label in labels[1:][trained]]
            own = (1, max(0, len(ids) - 1), int(trained.sum()), not trained.any(), any(stops))
            counts = [total + int(value) for total, value in zip(counts, own, strict=True)]
    return MaskReport(len(rows), *counts)


def sample_of(dataset: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Returns up to `SAMPLED_ROWS` rows, spread evenly over the whole, with these columns alone."""
    size = len(dataset)
    places = sorted({i * size // min(size, SAMPLED_ROWS) for i in range(min(size, SAMPLED_ROWS))})
    kept = [name for name in columns if name in dataset.column_names]
    rows: list[dict[str, Any]] = dataset.select(places).select_columns(kept).to_list()
    return rows


def stop_ids_of(tokenizer: Any, model: Any = None) -> set[int]:
    """Returns the tokens at which generation ends."""
    ids = {tokenizer.eos_token_id}
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids |= set(own) if isinstance(own, list | tuple) else {own}
    return {i for i in ids if i is not None}


def describe_example(tokenizer: Any, input_ids: Sequence[int], labels: Sequence[int]) -> str:
    """Returns an example as text, what is trained between `⟦` and `⟧`."""
    parts = []
    pairs = list(zip(input_ids, labels, strict=True))
    for is_trained, run in itertools.groupby(pairs, key=lambda pair: pair[1] != IGNORED):
        text = tokenizer.decode([token for token, _ in run])
        parts.append(f"⟦{text}⟧" if is_trained else text)
    return "".join(parts)


def _collated(collate: Callable[..., Any], rows: list[dict[str, Any]]) -> Any:
    try:
        batch = collate(rows)
    except Exception as error:
        raise TaskError(
            f"The collator of get_sft_data_collator raised {type(error).__name__}: {error}",
            hint=f"It gets a list of rows with the columns {', '.join(rows[0])}.",
        ) from error
    missing = [name for name in ("input_ids", "labels") if name not in batch]
    if missing:
        raise TaskError(
            f"The collator's batches hold no {' and no '.join(missing)}.",
            hint="get_sft_data_collator must return a function from rows to a dict of tensors "
            "input_ids, labels and attention_mask.",
        )
    return batch


def _examples(batch: Any, pad_id: int | None) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Returns each example's ids and labels, padding left out, packed rows taken apart."""
    ids, labels = torch.as_tensor(batch["input_ids"]), torch.as_tensor(batch["labels"])
    examples = []
    for row in range(ids.shape[0]):
        if "position_ids" in batch and "attention_mask" not in batch:
            starts = (torch.as_tensor(batch["position_ids"])[row] == 0).nonzero().flatten().tolist()
            ends = [*starts[1:], ids.shape[1]]
            spans: list[Any] = [slice(a, b) for a, b in zip(starts, ends, strict=True)]
        else:
            spans = [_kept(batch, ids[row], labels[row], row, pad_id)]
        examples += [(ids[row][span], labels[row][span]) for span in spans]
    return examples


def _kept(
    batch: Any, ids: torch.Tensor, labels: torch.Tensor, row: int, pad_id: int | None
) -> torch.Tensor:
    if "attention_mask" in batch:
        return torch.as_tensor(batch["attention_mask"])[row].bool()
    return (ids != (-1 if pad_id is None else pad_id)) | (labels != IGNORED)
