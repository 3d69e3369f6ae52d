"""How vLLM is started: its settings, and what it is told of the adapters to come."""

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenyson.evaluation.engines.engine import PROBED_TOKENS

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's buffers for adapters may be sized for."""
CPU_CACHE_BYTES = 2**30
"""Keys and values on a CPU, where nothing else is said: a share of the RAM would be taken whole."""
_WORKER = "tenyson.evaluation.engines.vllm_worker.AdapterInspector"


@dataclass(frozen=True)
class ServedAdapter:
    """A LoRA adapter on disk."""

    folder: Path
    sha256: str
    """Of its weights."""
    rank: int

    @property
    def number(self) -> int:
        """VLLM's id for it.

        What was loaded under an id is kept, changed files or not; an id that follows from the
        weights can never be stale.
        """
        return int(self.sha256[:8], 16) % (2**31 - 1) + 1


@dataclass(frozen=True)
class EngineSettings:
    """What vLLM is started with, beside the model."""

    dtype: str = "auto"
    revision: str | None = None
    trust_remote_code: bool = False
    max_model_length: int | None = None
    gpu_memory_utilization: float | None = None
    """None takes 0.9 of a GPU, and a GiB for keys and values on a CPU."""
    tensor_parallel_size: int = 1
    enforce_eager: bool = False
    enable_prefix_caching: bool = True


def start(
    source: str, adapters: Mapping[str, ServedAdapter], settings: EngineSettings, has_gpu: bool
) -> Any:
    """Returns vLLM's `LLM`, with room for the adapters; they are loaded later."""
    # In a process of its own the engine could be neither stepped nor asked about its adapters.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    from vllm import LLM

    arguments = {
        "model": source,
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
        "skip_tokenizer_init": True,
        "dtype": settings.dtype,
        "seed": 0,  # requests have seeds of their own
        "max_model_len": settings.max_model_length,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "enforce_eager": settings.enforce_eager or not has_gpu,
        "enable_prefix_caching": settings.enable_prefix_caching,
        "max_logprobs": PROBED_TOKENS,
        "worker_extension_cls": _WORKER,
        **_memory(settings, has_gpu),
        **_lora_settings(adapters),
    }
    with _plain_stdout():
        return LLM(**arguments)


def _plain_stdout() -> contextlib.AbstractContextManager[Any]:
    """Puts a real file in the place of a notebook's standard output: vLLM asks for its number."""
    try:
        sys.stdout.fileno()
    except (OSError, AttributeError):
        return contextlib.redirect_stdout(sys.__stdout__)
    return contextlib.nullcontext()


def _memory(settings: EngineSettings, has_gpu: bool) -> dict[str, Any]:
    share = settings.gpu_memory_utilization
    if share is not None:
        return {"gpu_memory_utilization": share}
    return {} if has_gpu else {"kv_cache_memory_bytes": CPU_CACHE_BYTES}


def _lora_settings(adapters: Mapping[str, ServedAdapter]) -> dict[str, Any]:
    if not adapters:
        return {}
    highest = max(adapter.rank for adapter in adapters.values())
    return {
        "enable_lora": True,
        "max_lora_rank": next(rank for rank in LORA_RANKS if rank >= highest),
        "max_loras": 1,  # one is evaluated at a time
        "max_cpu_loras": len(adapters),
    }
