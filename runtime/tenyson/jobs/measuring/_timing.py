"""What a trainer spends its time and its tokens on, measured where it does.

Only the places are measured at which one phase turns into another, by a reading of the clock each;
the counts of tokens stay on their device until the trainer logs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tenyson.jobs.measuring.tokens import TokenCounts
from tenyson.phases import Phases


class Timed:
    """A trainer that tells its phases; stands before TRL's class among the bases."""

    phases = Phases()
    """The attempt's; before it is given one, a trainer of nobody's measures for nobody."""
    tokens = TokenCounts()
    accelerator: Any
    _trained: torch.Tensor | int = 0
    """Tokens trained since the last log."""

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
        """Returns the batches of a step, and how many tokens of them are trained."""
        with self.phases.measure("data"):
            batches, count = super().get_batch_samples(*args, **kwargs)  # type: ignore[misc]
            self._count_batches(batches, count)
        return batches, count

    def _count_batches(self, batches: list[Any], count: Any) -> None:
        """Takes note of what a step is about to train on."""

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        with self.phases.measure("save"):
            super()._save_checkpoint(*args, **kwargs)  # type: ignore[misc]

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the metrics of an evaluation while training."""
        with self.phases.measure("eval"):
            return super().evaluate(*args, **kwargs)  # type: ignore[misc]

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Brings the counts up to date, for whoever is told of the log."""
        trained, self._trained = self._trained, 0
        self.tokens.trained += self._over_ranks(trained)
        self._settle()
        super().log(logs, *args, **kwargs)  # type: ignore[misc]

    def _settle(self) -> None:
        """Takes over what TRL has counted itself."""

    def _over_ranks(self, count: torch.Tensor | int) -> int:
        """Returns the sum of the ranks' counts."""
        if self.accelerator.num_processes == 1:
            return int(count)
        tensor = torch.as_tensor(count, device=self.accelerator.device).reshape(1).long()
        return int(self.accelerator.gather(tensor).sum())


class TimedSFT(Timed):
    """Counts what SFT trains on; TRL counts what it reads."""

    _read: int | None = None
    """What TRL had counted at the last log; None before the first step."""
    _total_train_tokens: int

    def _count_batches(self, batches: list[Any], count: Any) -> None:
        if self._read is None:  # a resumed run starts from the count of its checkpoint
            self._read = self._total_train_tokens
        for batch in batches:
            if (labels := batch.get("labels")) is not None:
                self._trained = self._trained + (labels[..., 1:] != -100).sum()

    def _settle(self) -> None:
        if self._read is not None:
            self.tokens.processed += self._total_train_tokens - self._read
            self._read = self._total_train_tokens
            self.tokens.prompt = max(0, self.tokens.processed - self.tokens.trained)


class TimedGRPO(Timed):
    """Tells sampling and scoring from training, and counts what is sampled."""

    model: Any

    def _generate(self, prompts: list[Any]) -> Any:
        with self.phases.measure("generate"):
            sampled = super()._generate(prompts)  # type: ignore[misc]
        prompt_ids, completion_ids, own_mask = sampled[:3]
        read = sum(map(len, prompt_ids))
        written = sum(map(len, completion_ids))
        if own_mask is not None:  # an environment or a tool has written the rest
            own = int(sum(sum(mask) for mask in own_mask))
            read, written = read + written - own, own
        self.tokens.add_sampled(prompt=self._over_ranks(read), completion=self._over_ranks(written))
        return sampled

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.phases.measure("reward"):
            return super()._calculate_rewards(*args, **kwargs)  # type: ignore[misc]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        if self.model.training:
            mask = inputs["completion_mask"]
            if (own_mask := inputs.get("tool_mask")) is not None:
                mask = mask * own_mask
            self._trained = self._trained + mask.sum()
        return super()._compute_loss(model, inputs)  # type: ignore[misc]


@contextmanager
def measured(trainer: Any, phases: Phases, tokens: TokenCounts) -> Iterator[None]:
    """Counts the training within, that of its vLLM engine too; what comes after it is saving."""
    trainer.phases, trainer.tokens = phases, tokens
    if (engine := getattr(trainer, "vllm_generation", None)) is not None:
        engine.sync_weights = _measured(engine.sync_weights, phases, "sync")
    phases.turn_to("forward_backward")
    tokens.start()
    try:
        yield
    finally:
        tokens.stop()
        phases.turn_to("save")


def _measured(function: Callable[..., Any], phases: Phases, phase: str) -> Callable[..., Any]:
    def measured(*args: Any, **kwargs: Any) -> Any:
        with phases.measure(phase):
            return function(*args, **kwargs)

    return measured
