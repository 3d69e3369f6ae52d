"""Weights as numbers: are they finite, which type they have, and which base they are of."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch

from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.errors import CheckpointError

SAMPLED_VALUES = 64
"""Values of each tensor that go into a base model's fingerprint."""


def weights_dtype(config: JobConfig, job_type: JobType) -> torch.dtype:
    """Returns the type that the weights are loaded in."""
    name = config.model.dtype
    if name != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[name]
    # Updates of full fine-tuning are smaller than bfloat16 can represent; autocast computes in it.
    trains_all = job_type is not JobType.EVAL and config.adapter.kind == "full"
    return torch.bfloat16 if computes_in_bfloat16() and not trains_all else torch.float32


def computes_in_bfloat16() -> bool:
    """Whether there is a GPU that has bfloat16."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def require_finite(model: Any, what: str) -> None:
    """Refuses weights with a NaN or an infinity in them.

    Args:
        model: Any module; parameters that hold packed bits are passed over.
        what: How the message names them, `the model NAME`.

    Raises:
        CheckpointError: Names the first such tensor.
    """
    for name, tensor in model.named_parameters():
        if not tensor.is_floating_point() or tensor.is_meta:
            continue
        # A sum is one pass without a copy; only where it is not finite are the values looked at.
        if tensor.detach().sum(dtype=torch.float32).isfinite() or tensor.isfinite().all():
            continue
        bad = int((~tensor.isfinite()).sum())
        raise CheckpointError(
            f"The weights of {what} are broken: {bad} of the {tensor.numel()} values of {name} "
            "are NaN or infinite.",
            hint="Fetch or save them again; a run that diverged may have written them.",
        )


def base_fingerprint(model: Any) -> str | None:
    """Returns what tells a base model's weights from any other's, adapters on it left out.

    A sample of each tensor, as bfloat16, so that the type in which they are loaded does not
    matter. None for weights that have lost what would be compared (4 bits, float16).
    """
    tensors = sorted(_base_tensors(model))
    if any(t.is_meta or t.dtype not in (torch.float32, torch.bfloat16) for _, t in tensors):
        return None
    return fingerprint(tensors)


def fingerprint(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """Returns what tells tensors, given in the order of their names, from others; see above."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        values = tensor.detach().flatten()
        sample = values[:: max(1, values.numel() // SAMPLED_VALUES)][:SAMPLED_VALUES]
        bits = sample.to("cpu", torch.bfloat16).contiguous().view(torch.int16)
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(bits.numpy().tobytes())
    return digest.hexdigest()


def _base_tensors(model: Any) -> list[tuple[str, torch.Tensor]]:
    """Returns the base model's parameters by their own names, whatever PEFT put around them."""
    own = []
    for name, tensor in model.named_parameters():
        if "lora_" in name or ".modules_to_save." in name:
            continue
        name = name.removeprefix("base_model.model.")
        own.append((name.replace(".base_layer", "").replace(".original_module", ""), tensor))
    return own
