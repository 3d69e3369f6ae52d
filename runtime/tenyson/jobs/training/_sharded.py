"""Weights that are split over the ranks (FSDP): saved whole, and gone on from exactly.

Each rank saves its own part of the trained weights and of the optimiser's state: what it loads
again is what it held, to the last bit. Beside the parts lies the whole, gathered from all ranks: an
adapter or a model as any other run leaves it. Accelerate's own way saves the frozen base with every
checkpoint, and takes the state through one process.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor

from tenyson.errors import CheckpointError

PART = "fsdp_part_{rank}.pt"
SCHEDULER = "scheduler.pt"


def is_sharded(model: Any) -> bool:
    """Whether the model's weights are split over the ranks by now."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def has_parts(folder: Path) -> bool:
    """Whether a checkpoint was saved by ranks that each had a part of the weights."""
    return (folder / PART.format(rank=0)).is_file()


def whole_state(model: Any, *, keep: bool) -> dict[str, torch.Tensor] | None:
    """Returns what is trained, whole and on the CPU; None where nothing is split.

    All ranks call it; only those that `keep` get the tensors, others an empty dict.
    """
    if not is_sharded(model):
        return None
    state = {}
    for name, tensor in _trained(model):
        whole = _gathered(tensor)
        if keep:
            state[name] = whole.detach().cpu().contiguous()
    return state


class Sharded:
    """Mixed into a trainer of transformers': its checkpoints, where weights are split."""

    args: Any
    model: Any
    optimizer: Any
    lr_scheduler: Any

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Writes the adapter or the model, whole, on rank 0."""
        state = whole_state(self.model, keep=self.args.should_save)
        if state is None:
            super().save_model(output_dir, _internal_call)  # type: ignore[misc]
        elif self.args.should_save:
            self._save(output_dir, state_dict=state)  # type: ignore[attr-defined]

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not is_sharded(self.model):
            super()._save_optimizer_and_scheduler(output_dir)  # type: ignore[misc]
            return
        os.makedirs(output_dir, exist_ok=True)
        part = {
            "weights": {name: _local(tensor) for name, tensor in _trained(self.model)},
            "optimizer": [
                {name: _local(value) for name, value in self.optimizer.state[parameter].items()}
                for parameter in _parameters(self.optimizer)
            ],
        }
        torch.save(part, os.path.join(output_dir, PART.format(rank=self.args.process_index)))
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), os.path.join(output_dir, SCHEDULER))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        if not has_parts(folder):
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
        elif is_sharded(self.model):
            self._load_own_weights(folder)
        else:
            _load_whole(self.model, folder)

    def _load_own_weights(self, folder: Path) -> None:
        saved = self._own_part(folder)["weights"]
        own = dict(_trained(self.model))
        if saved.keys() != own.keys():
            different = sorted(saved.keys() ^ own.keys())
            raise CheckpointError(
                f"{folder.name} does not fit the model: {len(different)} of its tensors have no "
                f"match, {different[0]} for one."
            )
        with torch.no_grad():
            for name, tensor in own.items():
                _local(tensor).copy_(saved[name])

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not is_sharded(self.model):
            super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]
            return
        folder = Path(checkpoint)
        saved = self._own_part(folder)["optimizer"]
        for parameter, state in zip(_parameters(self.optimizer), saved, strict=True):
            self.optimizer.state[parameter] = {
                name: _like(value, parameter) for name, value in state.items()
            }
        self.lr_scheduler.load_state_dict(torch.load(folder / SCHEDULER, weights_only=True))

    def _own_part(self, folder: Path) -> dict[str, Any]:
        path = folder / PART.format(rank=self.args.process_index)
        part: dict[str, Any] = torch.load(path, map_location=self.args.device, weights_only=True)
        return part


def _load_whole(model: Any, folder: Path) -> None:
    """Loads what lies whole in the folder into a model that is not split (any more, or yet)."""
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    if isinstance(model, PeftModel):
        set_peft_model_state_dict(model, tensors, adapter_name="default")
    else:
        model.load_state_dict(tensors, strict=False)


def _trained(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _parameters(optimizer: Any) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _gathered(tensor: torch.Tensor) -> torch.Tensor:
    whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    # On a CPU the gathered tensor is a promise, and has no memory until it is waited for.
    return whole.wait() if hasattr(whole, "wait") else whole


def _local(value: Any) -> Any:
    """Returns this rank's part of a tensor; anything else as it is."""
    return value.to_local().detach() if isinstance(value, DTensor) else value


def _like(value: Any, parameter: torch.Tensor) -> Any:
    """Returns a loaded part as a tensor that is split as its parameter is; a count as it is."""
    if not isinstance(parameter, DTensor) or not isinstance(value, torch.Tensor) or not value.ndim:
        return value
    return DTensor.from_local(
        value,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
