"""What a run is estimated to need of this machine's memory, told before it starts."""

import logging
import os
from dataclasses import dataclass
from typing import Any

import torch

from tenyson.contract import JobType
from tenyson.jobs.context import RunContext
from tenyson.jobs.limits.memory import MemoryEstimate, estimate
from tenyson.jobs.sampling._engines import count_parameters, vllm_arguments

LOG = logging.getLogger("tenyson.jobs")


@dataclass(frozen=True)
class MemoryHere:
    """An estimate beside what there is."""

    needed: MemoryEstimate
    device: str
    """`GPU` or `CPU`."""
    device_bytes: int

    @property
    def text(self) -> str:
        """What is needed and what there is, as a line to read."""
        return f"{self.needed.describe(self.device_bytes)} on this {self.device}"

    @property
    def warning(self) -> str | None:
        """What to do where it is likely too much; None where it fits."""
        if self.needed.total <= self.device_bytes:
            return None
        return (
            f"The run is likely to need more memory than this {self.device} has: {self.text}. "
            "Lower training.per_device_train_batch_size (and raise gradient_accumulation_steps), "
            "data.max_length or rl.max_completion_length."
        )


def memory_here(
    context: RunContext, model: Any, *, ranks: int, longest_tokens: int | None = None
) -> MemoryHere | str:
    """Returns the estimate, or in words why there is none.

    Args:
        context: The attempt.
        model: The base model; its weights need not be loaded.
        ranks: Processes that train together.
        longest_tokens: Of a prompt or, in SFT, an example; None takes the most there may be.
    """
    on_gpu = torch.cuda.is_available()
    device_bytes = _device_bytes(on_gpu)
    try:
        needed = estimate(
            model.config.to_dict(),
            context.config,
            context.job_type,
            on_gpu=on_gpu,
            prompt_tokens=longest_tokens,
            parameters=count_parameters(model),
            ranks=ranks,
            vllm_bytes=_vllm_bytes(context, device_bytes),
        )
    except ValueError as error:
        return f"not estimated: {error}"
    return MemoryHere(needed, "GPU" if on_gpu else "CPU", device_bytes)


def tell_memory(context: RunContext, model: Any) -> None:
    """Logs the estimate on a GPU, and warns where the run is likely not to fit there."""
    if not torch.cuda.is_available() or not context.ranks.is_main:
        return
    found = memory_here(context, model, ranks=context.ranks.size)
    if isinstance(found, str):
        LOG.info("Memory: %s", found)
        return
    LOG.info("Memory: %s", found.text)
    if found.warning:
        LOG.warning(found.warning)
        context.warn(found.warning)


def _vllm_bytes(context: RunContext, device_bytes: int) -> int:
    """What vLLM takes of the device beside a training; 0 where transformers samples."""
    is_vllm = context.engine is not None and context.engine.is_vllm
    if not is_vllm or context.job_type is not JobType.RL:
        return 0
    share = vllm_arguments(context.config.vllm, context.config.rl.loss_type)
    return int(share["vllm_gpu_memory_utilization"] * device_bytes)


def _device_bytes(on_gpu: bool) -> int:
    if on_gpu:
        return int(torch.cuda.get_device_properties(0).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
