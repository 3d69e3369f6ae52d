"""The state of a training at the edge between two steps, so that the step after it can be dropped.

Until the optimiser steps, the weights, its moments, the schedule and the loss scaler *are* those of
the last edge: a step only adds gradients, which no checkpoint holds. What a running step does
change is small and kept here: the random states, the trainer's counters, and what the trainers of
this package hold beside it. So an edge costs no copy of weights, for full fine-tuning either.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

_SMALL_TENSOR = 1024
"""Elements up to which a tensor is copied: sums that are added to in place are among them."""
_ATOMS = frozenset((float, int, str, bool, type(None)))
"""What cannot change and is most of it: every step pays for this copy."""
_COUNTERS = ("total_flos", "num_input_tokens_seen")


@dataclass(frozen=True)
class RandomStates:
    """The states of all global random sources."""

    python: Any
    numpy: Any
    cpu: torch.Tensor
    cuda: tuple[torch.Tensor, ...]

    @classmethod
    def now(cls) -> "RandomStates":
        """Returns the states as they are."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), tuple(cuda))

    def restore(self) -> None:
        """Puts the sources back into these states."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(list(self.cuda))


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Lets the block draw at random without a trace: training goes on as if it had not been."""
    states = RandomStates.now()
    try:
        yield
    finally:
        states.restore()


@dataclass(frozen=True)
class EdgeState:
    """What a step changes before its optimiser's step, as it was at the edge before it."""

    step: int
    """Optimiser steps done."""
    random: RandomStates
    counters: dict[str, Any]
    current_flos: float
    extra: dict[str, Any]

    @classmethod
    def of(cls, trainer: Any) -> "EdgeState":
        """Returns the state of a trainer that is between two steps."""
        return cls(
            step=trainer.state.global_step,
            random=RandomStates.now(),
            counters={name: getattr(trainer.state, name) for name in _COUNTERS},
            current_flos=trainer.current_flos,
            extra=frozen_copy(trainer._extra_state()),
        )

    def restore(self, trainer: Any) -> None:
        """Puts a trainer whose step was cut short back to the edge."""
        self.random.restore()
        for name, value in self.counters.items():
            setattr(trainer.state, name, value)
        trainer.current_flos = self.current_flos
        trainer.return_to_extra_state(frozen_copy(self.extra))


def frozen_copy(value: Any) -> Any:
    """Returns a copy whose containers and small tensors are its own.

    Large tensors are shared: they are replaced, never written to (a round's completions, say).
    """
    if type(value) in _ATOMS:
        return value
    if isinstance(value, torch.Tensor):
        return value.clone() if value.numel() <= _SMALL_TENSOR else value
    if isinstance(value, dict):
        copied = {key: frozen_copy(item) for key, item in value.items()}
        if type(value) is dict:
            return copied
        same = value.copy()  # a defaultdict keeps its factory
        same.update(copied)
        return same
    if type(value) in (list, tuple, set, frozenset):
        return type(value)([item if type(item) in _ATOMS else frozen_copy(item) for item in value])
    return value
