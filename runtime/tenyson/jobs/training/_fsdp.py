"""`training.fsdp`: weights, gradients and the optimiser's state split over the ranks."""

from typing import Any

import torch
from accelerate.state import AcceleratorState  # type: ignore[import-untyped]
from accelerate.utils import DistributedType  # type: ignore[import-untyped]

from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.context import RunContext


def fsdp_arguments(context: RunContext) -> dict[str, Any]:
    """Returns the trainers' arguments of FSDP's second version; none where it is off.

    Raises:
        ConfigError: The job is RL, which samples from whole weights.
    """
    if not context.config.training.fsdp:
        return {}
    if context.job_type is JobType.RL:
        raise ConfigError(
            [Problem("training.fsdp", "splits weights, and RL samples from whole ones")],
            hint="Set training.fsdp: false; train an adapter (adapter.kind: lora) if memory is "
            "short.",
        )
    if context.ranks.size == 1:
        context.warn("training.fsdp has no effect: this attempt has one rank to split among.")
        return {}
    if not torch.cuda.is_available():
        _allow_on_cpus()
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "FULL_STATE_DICT",
            "reshard_after_forward": True,
        },
    }


def _allow_on_cpus() -> None:
    """Makes accelerate split weights over CPUs, too: torch can, accelerate asks for GPUs.

    It is how FSDP is tested; nobody gains by it elsewhere.
    """
    if getattr(AcceleratorState, "_tenyson_splits_on_cpus", False):
        return
    prepare = AcceleratorState.__init__

    def with_fsdp(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        prepare(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None and self.distributed_type is DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.FSDP
            self.fsdp_plugin = fsdp_plugin

    AcceleratorState.__init__ = with_fsdp
    AcceleratorState._tenyson_splits_on_cpus = True
