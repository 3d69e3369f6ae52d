"""The machine that a run is on, and the libraries it has."""

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("tenyson", "torch", "transformers", "trl", "peft", "datasets", "accelerate"),
    *("tokenizers", "safetensors", "numpy", "vllm", "unsloth", "bitsandbytes", "pydantic"),
)
"""Libraries whose version may change what a run comes to."""


def versions() -> dict[str, str]:
    """Returns the versions of Python and of those libraries that are installed."""
    return {"python": platform.python_version(), **versions_of(LIBRARIES)}


def versions_of(libraries: Iterable[str]) -> dict[str, str]:
    """Returns the versions of those of the libraries that are installed."""
    found = {}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Returns the machine's processors, memory and GPUs; imports torch, so only a job asks."""
    import torch

    gpus = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        capability = f"{properties.major}.{properties.minor}"
        gpus.append(
            {
                "name": properties.name,
                "memory_bytes": properties.total_memory,
                "compute_capability": capability,
            }
        )
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": gpus,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
    }


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None)
