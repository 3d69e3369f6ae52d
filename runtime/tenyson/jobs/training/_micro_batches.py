"""A round of sampling cut into micro-batches of another size than it was saved in."""

from typing import Any

import torch
from trl.trainer.utils import split_tensor_dict

Part = dict[str, Any]


def cut_anew(parts: list[Part], saved_size: int, size: int) -> list[Part]:
    """Returns the same completions in the same order, in micro-batches of `size`.

    Args:
        parts: The round, cut into micro-batches.
        saved_size: Completions of one of them.
        size: Completions that one is to have; one of the two is a multiple of the other.
    """
    if size <= saved_size:
        return [piece for part in parts for piece in split_tensor_dict(part, saved_size // size)]
    count = size // saved_size
    return [_joined(parts[i : i + count]) for i in range(0, len(parts), count)]


def _joined(parts: list[Part]) -> Part:
    return {name: _join([part[name] for part in parts]) for name in parts[0]}


def _join(values: list[Any]) -> Any:
    if isinstance(values[0], list):
        return [item for value in values for item in value]
    if values[0] is None or values[0].ndim == 0:
        return values[0]  # it is of the whole round
    return torch.cat(values)
