"""TRL's trainers, changed in three places: how they save, how they resume, when they give up."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from trl import GRPOTrainer, SFTTrainer

from tenyson.checkpoints.store import CheckpointStore
from tenyson.distributed.files import collect_files
from tenyson.distributed.ranks import Ranks
from tenyson.errors import DivergedError
from tenyson.jobs._models import ADAPTER_WEIGHTS, check_adapter

EXTRA_STATE = "tenyson_state{rank}.pt"
"""What the trainers hold beside what they save themselves; on several ranks one file each."""


class _Guarded:
    """Saves whole checkpoints only, resumes exactly, and stops before a step that is not finite."""

    args: Any
    model: Any
    state: Any
    store: CheckpointStore
    ranks: Ranks
    checkpoint_facts: dict[str, Any]
    _aside: Path | None = None

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._aside or self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        name = f"checkpoint-{self.state.global_step}"
        facts = {**self.checkpoint_facts, "step": self.state.global_step}
        with self.ranks.saving(), self._saving(name, facts) as aside:
            self._aside = aside
            try:
                super()._save_checkpoint(model, trial)  # type: ignore[misc]
            finally:
                self._aside = None
            for path in (aside / name).iterdir():
                os.rename(path, aside / path.name)
            (aside / name).rmdir()
            (aside / "README.md").unlink(missing_ok=True)  # PEFT's form, to be filled in by hand
            torch.save(self._extra_state(), aside / self._extra_state_name())
            collect_files(self.ranks, aside)

    @contextlib.contextmanager
    def _saving(self, name: str, facts: dict[str, Any]) -> Iterator[Path]:
        """Yields where this rank saves: rank 0 the checkpoint, others what they add to it."""
        if self.ranks.is_main:
            with self.store.saving(name, **facts) as aside:
                yield aside
        else:
            with tempfile.TemporaryDirectory(dir=self.args.output_dir) as own:
                yield Path(own)

    def _extra_state_name(self) -> str:
        return EXTRA_STATE.format(rank=f"_{self.ranks.place.rank}" if self.ranks.size > 1 else "")

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Writes none: the run's manifest says more."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
        if isinstance(self.model, PeftModel):
            # With a reference adapter beside the trained one, transformers loads only the former.
            folder = Path(resume_from_checkpoint)
            tensors = load_file(folder / ADAPTER_WEIGHTS)
            set_peft_model_state_dict(self.model, tensors, adapter_name="default")
            check_adapter(self.model, folder)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]
        if checkpoint is None:
            return
        if (path := Path(checkpoint) / self._extra_state_name()).is_file():
            state = torch.load(path, map_location=self.args.device, weights_only=True)
            self._restore_extra_state(state)

    def _extra_state(self) -> dict[str, Any]:
        return {"total_train_tokens": getattr(self, "_total_train_tokens", 0)}

    def _restore_extra_state(self, state: dict[str, Any]) -> None:
        self._total_train_tokens = state["total_train_tokens"]

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Returns the loss of a micro-step, which is finite."""
        loss: torch.Tensor = super().training_step(*args, **kwargs)  # type: ignore[misc]
        if not torch.isfinite(loss):
            raise self._diverged("loss", loss)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Returns the gradient's norm; the optimiser's step comes right after."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        # With float16 an infinite gradient is the loss scaler's business: it skips the step.
        if not self.args.fp16 and not torch.isfinite(torch.as_tensor(norm)):
            raise self._diverged("gradient norm", norm)
        return norm

    def _diverged(self, what: str, value: Any) -> DivergedError:
        return DivergedError(
            f"The {what} of step {self.state.global_step + 1} is {float(value)}; training stopped "
            "before it reached the weights.",
            hint="Lower training.learning_rate, add warmup_steps, or look for bad rows near that "
            "step; the last checkpoint is still good.",
        )


class TenysonSFTTrainer(_Guarded, SFTTrainer):  # type: ignore[misc]
    """TRL's SFTTrainer with whole checkpoints."""


class TenysonGRPOTrainer(_Guarded, GRPOTrainer):  # type: ignore[misc]
    """TRL's GRPOTrainer with whole checkpoints that hold the round of sampling they were taken in.

    TRL saves neither its micro-step counter nor the completions still to be used, so a run that
    resumed inside a round (`steps_per_generation` or `num_iterations` above 1) went elsewhere.
    """

    _step: int
    _buffered_inputs: Any

    def _extra_state(self) -> dict[str, Any]:
        own = {"step": self._step, "buffered_inputs": self._buffered_inputs}
        return {**super()._extra_state(), **own}

    def _restore_extra_state(self, state: dict[str, Any]) -> None:
        super()._restore_extra_state(state)
        self._step = state["step"]
        self._buffered_inputs = state["buffered_inputs"]
