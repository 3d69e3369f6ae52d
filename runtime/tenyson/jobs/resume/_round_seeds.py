"""Where GRPO's random draws come from: the seed of the run and the place, never what came before.

TRL draws completions from torch's global generator, wherever it happens to stand, and shuffles
prompts by a generator whose state no checkpoint holds. Here each round of sampling has a seed of
its own, and each epoch its own order; a restart changes neither.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from trl.trainer.utils import RepeatSampler

from tenyson.seeding import derive_seed


class EpochSampler(RepeatSampler):  # type: ignore[misc]
    """TRL's sampler with an order for each epoch that follows from the seed and the epoch.

    TRL's own draws the second epoch's order from where the first one left its generator. A run
    that resumes in the second epoch would see the first one's order again.
    """

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Takes the number of the epoch that comes next; accelerate's data loader calls it."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator.manual_seed(self.seed + self.epoch)
        return iter(super().__iter__())


class RoundSeeds:
    """Seeds one round of sampling after the other."""

    def __init__(self, seed: int, rank: int) -> None:
        self._seed = seed
        self._rank = rank
        self._last: tuple[str, int] | None = None
        self._round = 0

    def next(self, phase: str, step: int) -> int:
        """Returns the seed of the next round within a micro-step.

        Args:
            phase: `rl`, or `eval` for an evaluation during training.
            step: Micro-steps before this one, over all attempts.
        """
        self._round = self._round + 1 if self._last == (phase, step) else 0
        self._last = (phase, step)
        return derive_seed(self._seed, phase, step, self._round, self._rank)

    @contextlib.contextmanager
    def round(self, phase: str, step: int) -> Iterator[int]:
        """Draws by the next round's seed in the block; torch's generators are as before after it.

        So what training draws, dropout for one, does not hang on how much was sampled.
        """
        seed = self.next(phase, step)
        with torch.random.fork_rng(devices=_own_device()):
            _seed_own_device(seed)
            yield seed


@contextlib.contextmanager
def seeded_requests(llm: Any, seed: int) -> Iterator[None]:
    """Gives each request that vLLM serves in the block a seed of its own.

    TRL sends all requests of a round with the same parameters. One seed in those would make the
    completions of a prompt alike; an engine's own seed is the same again after a restart.
    """
    generate = llm.generate

    def with_seeds(prompts: list[Any], sampling_params: Any, **options: Any) -> Any:
        own = [sampling_params.clone() for _ in prompts]
        for index, parameters in enumerate(own):
            parameters.seed = derive_seed(seed, index)
        return generate(prompts, sampling_params=own, **options)

    llm.generate = with_seeds
    try:
        yield
    finally:
        llm.generate = generate


def _seed_own_device(seed: int) -> None:
    """Does what torch.manual_seed does for what this process samples on.

    Where there is no GPU that one notes its caller's stack with source lines, for each kind of
    device that might be initialised later: 200 times what seeding takes, in each round.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)


def _own_device() -> list[Any]:
    return [torch.cuda.current_device()] if torch.cuda.is_available() else []
