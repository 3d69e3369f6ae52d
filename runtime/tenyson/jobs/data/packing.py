"""Whether several short examples share one row: decided from the padding that they would need.

A padded batch computes on its padding. A packed one has none, but lies in memory as one long row:
attention kernels for rows of several examples (FlashAttention) skip what lies between them, the
others compute the whole square and mask it. So packing pays where the padding costs more than the
square. `benchmarks/packing.py` measures where that is.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

BATCHES = 200
"""Batches that are drawn to measure the padding."""
MARGIN = 0.9
"""Estimated time of packed over padded rows, below which packing is chosen."""
POSITIONS_A_UNIT = 10
"""Positions in attention that cost as much as a token in the linear layers, over the hidden size.

By the count of multiplications it is 6: a layer has about 12 * hidden_size ** 2 weights, a position
takes 2 * hidden_size. Measured it is nearer to 10.
"""


@dataclass(frozen=True)
class Shape:
    """What of a model and of a batch decides how dear attention is."""

    rows: int
    """Rows of a batch."""
    max_length: int
    """Tokens of a packed row."""
    hidden_size: int
    skips_between: bool
    """Whether the attention kernel leaves out what lies between the examples of a row."""


@dataclass(frozen=True)
class PackingChoice:
    """Whether rows are packed, and the reason in words."""

    packs: bool
    why: str
    padding_share: float | None = None
    """Of the tokens of a padded batch; None where it was not measured."""


def choose_packing(
    wanted: bool | None, lengths: Sequence[int], shape: Shape, obstacle: str | None
) -> PackingChoice:
    """Returns what is done with short examples.

    Args:
        wanted: The configuration's word; None leaves it to the padding.
        lengths: Tokens of each example, as far as it is trained on.
        shape: Of the model and the batch.
        obstacle: Why packing is impossible here; None where it is possible.
    """
    share = padding_share(lengths, shape.rows)
    padding = f"{share:.0%} of a batch would be padding"
    if wanted is not None:
        state = "on" if wanted else "off"
        return PackingChoice(wanted, f"data.packing says {state} ({padding})", share)
    if obstacle is not None:
        return PackingChoice(False, f"{obstacle} ({padding})", share)
    ratio = relative_time(lengths, shape)
    if ratio < MARGIN:
        per_row = shape.max_length / (sum(lengths) / len(lengths))
        return PackingChoice(
            True,
            f"{padding}; packed rows take about {ratio:.0%} of the time, and hold "
            f"{per_row:.1f} examples each",
            share,
        )
    if share < 0.05:
        return PackingChoice(False, f"only {padding}", share)
    masked = "" if shape.skips_between else ", whose attention would compute between examples, too"
    return PackingChoice(
        False, f"{padding}, but packed rows{masked} would take {ratio:.0%} of the time", share
    )


def padding_share(lengths: Sequence[int], rows: int) -> float:
    """Returns how much of the batches would be padding, from 0 to 1; batches drawn at random."""
    used = room = 0
    for batch in _batches(lengths, rows):
        used += sum(batch)
        room += len(batch) * max(batch)
    return 1 - used / room


def relative_time(lengths: Sequence[int], shape: Shape) -> float:
    """Returns the time of a token in packed rows over that in padded ones, estimated.

    A token costs one unit in the linear layers, and one unit in attention for every
    `POSITIONS_A_UNIT * hidden_size` positions that it is compared with.
    """
    per_position = 1 / (POSITIONS_A_UNIT * shape.hidden_size)
    used = 0
    padded = 0.0
    for batch in _batches(lengths, shape.rows):
        used += sum(batch)
        padded += len(batch) * max(batch) * (1 + per_position * max(batch))
    mean = used / (BATCHES * min(shape.rows, len(lengths)))
    compared = mean if shape.skips_between else shape.rows * shape.max_length
    return (1 + per_position * compared) / (padded / used)


def _batches(lengths: Sequence[int], rows: int) -> list[list[int]]:
    """Returns batches as a shuffling sampler would draw them, the same ones every time."""
    rng = random.Random(0)
    size = min(rows, len(lengths))
    return [rng.sample(lengths, size) for _ in range(BATCHES)]
