"""A base model's weights in their files, for an engine that loads them where nobody can look."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers.utils import cached_file

from tenyson.config import JobConfig
from tenyson.jobs.models._weights import fingerprint

_ONE_FILE = "model.safetensors"
_INDEX = "model.safetensors.index.json"


def fingerprint_of_files(config: JobConfig, source: str, model: Any) -> str | None:
    """Returns the fingerprint that the model would have once loaded, a tensor in memory at a time.

    Args:
        config: Of the job.
        source: Hub name or folder.
        model: The same model without weights, which knows its tensors' names and shapes.

    None where the files hold tensors of other names or shapes: transformers then makes its own of
    them as it loads.
    """
    homes = _files_by_tensor(source, config.model.revision)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    if not shapes.keys() <= homes.keys():
        return None
    for name, shape in shapes.items():
        with safe_open(homes[name], framework="pt") as file:
            if tuple(file.get_slice(name).get_shape()) != shape:
                return None
    return fingerprint(_tensors(sorted(shapes), homes))


def _tensors(names: list[str], homes: dict[str, Path]) -> Iterator[tuple[str, torch.Tensor]]:
    for name in names:
        with safe_open(homes[name], framework="pt") as file:
            yield name, file.get_tensor(name)


def _files_by_tensor(source: str, revision: str) -> dict[str, Path]:
    """Returns the file of each tensor; none where the weights are not safetensors."""
    if (index := _find(source, revision, _INDEX)) is not None:
        listed: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        found = {name: _find(source, revision, name) for name in set(listed.values())}
        homes = {tensor: found[name] for tensor, name in listed.items()}
        return {tensor: path for tensor, path in homes.items() if path is not None}
    path = _find(source, revision, _ONE_FILE)
    if path is None:
        return {}
    with safe_open(path, framework="pt") as file:
        return dict.fromkeys(file.keys(), path)


def _find(source: str, revision: str, name: str) -> Path | None:
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    found = cached_file(
        source, name, revision=revision, _raise_exceptions_for_missing_entries=False
    )
    return None if found is None else Path(found)
