"""A task's collator whose random draws follow from the seed, the epoch and the rows.

A data loader collates batches ahead of the step that trains on them, so the random states of a
checkpoint are not those that its next batch was collated with: a collator that draws from the
global sources (masks, noise, augmentation) would draw otherwise after a restart.
"""

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import torch

from tenyson.seeding import derive_seed

Collator = Callable[[list[Any]], Any]


class SeededCollator:
    """Calls a collator, Python's, NumPy's and torch's sources seeded for this batch."""

    def __init__(self, collate: Collator, seed: int, epoch: Callable[[], int]) -> None:
        """Takes the collator.

        Args:
            collate: Makes a batch of rows.
            seed: The run's.
            epoch: Says which one is under way, from 0.
        """
        self._collate = collate
        self._seed = seed
        self._epoch = epoch

    def __call__(self, rows: list[Any]) -> Any:
        """Returns the batch; the sources are as before after it."""
        content = hashlib.sha256(repr(rows).encode()).hexdigest()
        with _sources_seeded(derive_seed(self._seed, "collate", self._epoch(), content)):
            return self._collate(rows)


@contextlib.contextmanager
def _sources_seeded(seed: int) -> Iterator[None]:
    python, numpys = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices=[]):  # rows are collated on the CPU
        random.seed(seed)
        numpy.random.seed(seed % 2**32)
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(numpys)
