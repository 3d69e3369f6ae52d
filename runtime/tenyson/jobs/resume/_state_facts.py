"""What a trainer holds in memory, in hashes: written when it saves, compared when it has loaded.

A checkpoint's files may be whole and still not be what the trainer goes on with: transformers
passes over a file that it does not find, and takes the wrong one of two adapters without a word.
So what counts is read from memory both times.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy
import torch

from tenyson.errors import CheckpointError
from tenyson.jobs.training._schedule import schedule_of

HASHED_OPTIMIZER_BYTES = 2**30
"""Of an optimiser's state; a larger one, of full fine-tuning, would hold a save up for seconds."""
_WHAT = {
    "step": "the global step",
    "weights_sha256": "the trained weights",
    "optimizer_sha256": "the optimiser's state",
    "scheduler_step": "the schedule's step",
    "learning_rate": "the learning rate of the next step",
}


def state_facts(trainer: Any) -> dict[str, Any]:
    """Returns what identifies this rank's state at a step's edge."""
    return {
        "step": trainer.state.global_step,
        "weights_sha256": trained_weights_sha256(trainer.model),
        "optimizer_sha256": _optimizer_sha256(trainer.optimizer),
        "learning_rate": float(trainer._get_learning_rate()),
        "schedule": schedule_of(trainer),
        "scheduler_step": getattr(trainer.lr_scheduler, "last_epoch", None),
        "random": random_states(),
    }


def trained_weights_sha256(model: Any) -> str:
    """Returns the hash of every trainable tensor, of this rank's part where they are split."""
    trained = ((n, p) for n, p in model.named_parameters() if p.requires_grad)
    return _sha256_of(sorted(trained, key=lambda item: item[0]))


def random_states() -> dict[str, str]:
    """Returns the hash of each random source's state, by the source's name."""
    numpy_state: Any = numpy.random.get_state()
    states = {
        "python": repr(random.getstate()).encode(),
        "numpy": numpy_state[1].tobytes() + repr(numpy_state[2:]).encode(),
        "torch": _bytes_of(torch.get_rng_state()),
    }
    if torch.cuda.is_available():
        states["cuda"] = _bytes_of(torch.cuda.get_rng_state())
    return {name: hashlib.sha256(state).hexdigest() for name, state in states.items()}


def check_loaded(name: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuses a state that is not what was saved; what was not noted then is not compared.

    Args:
        name: The checkpoint's.
        expected: What `state_facts` said when it was saved.
        found: What it says now.

    Raises:
        CheckpointError: Says what differs.
    """
    is_rescheduled = expected.get("schedule") != found.get("schedule")
    wrong = []
    for key, what in _WHAT.items():
        if key == "learning_rate" and is_rescheduled:
            continue  # another one was asked for
        is_known = expected.get(key) is not None and found.get(key) is not None
        if is_known and expected[key] != found[key]:
            wrong.append(what)
    _refuse(name, wrong)


def check_random_states(name: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Refuses random states that are not those that were saved.

    A source that only one of the two machines has, a GPU, is no mistake of the loading.

    Raises:
        CheckpointError: Names the sources.
    """
    both = [source for source in expected if source in found]
    wrong = [source for source in both if expected[source] != found[source]]
    _refuse(name, [f"the random state of {source}" for source in wrong])


def _refuse(name: str, wrong: list[str]) -> None:
    if wrong:
        raise CheckpointError(
            f"{name} was not loaded as it was saved. Not what its manifest says: "
            f"{', '.join(wrong)}. No step was trained.",
            hint="Its files are whole, so they were changed and sealed again, or a library loads "
            "them otherwise than it saved them: use the versions that run_manifest.json names, or "
            "set checkpoint.resume to an earlier step, or to never.",
        )


def _optimizer_sha256(optimizer: Any) -> str | None:
    """Returns the hash of the optimiser's tensors; None where they are too many to hash."""
    state = optimizer.state_dict()["state"]
    tensors = [
        (f"{index}.{name}", value)
        for index, values in sorted(state.items(), key=lambda item: str(item[0]))
        for name, value in sorted(values.items())
        if isinstance(value, torch.Tensor)
    ]
    size = sum(tensor.numel() * tensor.element_size() for _, tensor in tensors)
    return _sha256_of(tensors) if size <= HASHED_OPTIMIZER_BYTES else None


def _sha256_of(tensors: Iterable[tuple[str, Any]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(_bytes_of(tensor))
    return digest.hexdigest()


def _bytes_of(tensor: Any) -> Any:
    """Returns the tensor's numbers as they lie in memory; bfloat16 has no NumPy type of its own."""
    own = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    flat = own.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else b""
