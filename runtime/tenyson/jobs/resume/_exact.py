"""A trainer's checkpoints: saved whole, loaded exactly, and proved to be loaded.

Transformers saves most of what a run is made of. What it leaves out is in a file of ours beside
its own; what it loads wrongly is loaded again; and before the first step the whole of it is
compared with what the manifest says was in memory when it was saved.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file

from tenyson.checkpoints import manifest
from tenyson.checkpoints.store import CheckpointStore
from tenyson.distributed.files import collect_files
from tenyson.distributed.ranks import Ranks
from tenyson.errors import CheckpointError
from tenyson.jobs.models._models import ADAPTER_WEIGHTS, check_adapter
from tenyson.jobs.resume._state_facts import (
    check_loaded,
    check_random_states,
    random_states,
    state_facts,
    trained_weights_sha256,
)
from tenyson.jobs.training._schedule import follow_configuration, settings_of
from tenyson.jobs.training._sharded import has_parts, is_sharded

EXTRA_STATE = "tenyson_state{rank}.pt"
"""What the trainers hold beside what they save themselves; on several ranks one file each."""


class ExactResume:
    """Mixed into a trainer of TRL's: an interrupted run ends with the weights of a whole one."""

    args: Any
    model: Any
    state: Any
    optimizer: Any
    lr_scheduler: Any
    store: CheckpointStore
    ranks: Ranks
    checkpoint_facts: dict[str, Any]
    _metrics: dict[str, Any]
    _aside: Path | None = None
    _window: dict[str, Any] | None = None
    """The metrics of steps since the last row, until there is a place to put them."""
    _awaits_random_states: str | None = None
    """The checkpoint whose random states are still to come."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._aside or self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        name = f"checkpoint-{self.state.global_step}"
        states = self.ranks.gather(state_facts(self))
        facts = {**self.checkpoint_facts, "step": self.state.global_step, "states": states}
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
        types = {name: tensor.dtype for name, tensor in self.model.named_parameters()}
        super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
        # PEFT loads an adapter in float32, and over a base of 4 bits TRL trains it in bfloat16.
        for name, tensor in self.model.named_parameters():
            tensor.data = tensor.data.to(types.get(name, tensor.dtype))
        if isinstance(self.model, PeftModel) and not is_sharded(self.model):
            # With a reference adapter beside the trained one, transformers loads only the former.
            folder = Path(resume_from_checkpoint)
            tensors = load_file(folder / ADAPTER_WEIGHTS)
            set_peft_model_state_dict(self.model, tensors, adapter_name="default")
            check_adapter(self.model, folder)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        configured = settings_of(self.optimizer)
        super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]
        if checkpoint is None:
            return
        self.load_extra_state(Path(checkpoint))
        follow_configuration(self.optimizer, self.lr_scheduler, configured)
        saved = self._saved_state(Path(checkpoint))
        check_loaded(Path(checkpoint).name, saved, state_facts(self))
        self._awaits_random_states = Path(checkpoint).name if saved.get("random") else None

    def load_extra_state(self, folder: Path) -> None:
        """Restores what is saved beside what transformers saves."""
        if (path := folder / self._extra_state_name()).is_file():
            state = torch.load(path, map_location=self.args.device, weights_only=True)
            self._restore_extra_state(state)

    def check_weights(self, folder: Path) -> None:
        """Refuses weights that are not those the checkpoint was saved with."""
        if has_parts(folder) and not is_sharded(self.model):
            return  # its hashes are of the parts
        found = {"weights_sha256": trained_weights_sha256(self.model)}
        check_loaded(folder.name, self._saved_state(folder), found)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)  # type: ignore[misc]
        if checkpoint is not None:
            expected = self._saved_state(Path(checkpoint)).get("random", {})
            check_random_states(Path(checkpoint).name, expected, random_states())
            self._awaits_random_states = None

    def _saved_state(self, checkpoint: Path) -> dict[str, Any]:
        """Returns this rank's facts; empty for a checkpoint of before there were any."""
        states = manifest.read(checkpoint).get("states") or []
        rank = self.ranks.place.rank
        return dict(states[rank]) if rank < len(states) else {}

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Returns the loss of a micro-step, trained from a state that is wholly restored."""
        if self._awaits_random_states is not None:
            raise CheckpointError(
                f"{self._awaits_random_states} was loaded without its random states.",
                hint="Set checkpoint.resume to an earlier step, or to never.",
            )
        if self._window is not None:
            self._restore_window(self._window)
        loss: torch.Tensor = super().training_step(*args, **kwargs)  # type: ignore[misc]
        return loss

    def _extra_state(self) -> dict[str, Any]:
        """Returns what is to be saved beside what transformers saves."""
        return {
            "total_train_tokens": getattr(self, "_total_train_tokens", 0),
            "window": {
                # Asked for at every edge: it stays on its device.
                "tr_loss": self._tr_loss.detach(),
                "last_logged": self._globalstep_last_logged,
                "metrics": {name: list(values) for name, values in self._metrics["train"].items()},
            },
        }

    def _restore_extra_state(self, state: dict[str, Any]) -> None:
        self._total_train_tokens = state["total_train_tokens"]
        # transformers sets the sums of the window to zero between here and the first step.
        self._window = state.get("window")

    def return_to_extra_state(self, state: dict[str, Any]) -> None:
        """Restores what an earlier edge of this very training had."""
        self._restore_extra_state(state)
        if self._window is not None:
            self._restore_window(self._window)

    def _restore_window(self, window: dict[str, Any]) -> None:
        """Goes on with the row of metrics that was under way, where `logging_steps` is above 1."""
        self._tr_loss = window["tr_loss"].to(self.args.device)
        self._globalstep_last_logged = window["last_logged"]
        self._metrics["train"].clear()
        for name, values in window["metrics"].items():
            self._metrics["train"][name] = list(values)
        self._window = None
