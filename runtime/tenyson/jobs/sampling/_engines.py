"""The engine of a run: the facts that it is chosen by, and vLLM's settings beyond TRL's."""

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from typing import Any, Literal

import torch

from tenyson.config import JobConfig
from tenyson.config.rl import VLLMConfig
from tenyson.jobs.context import RunContext
from tenyson.jobs.sampling.engines import Choice, Need, choose_engine

LOG = logging.getLogger("tenyson.jobs")
_NAMES = {"hf": "transformers", "vllm": "vLLM"}


def engine_of(
    context: RunContext,
    need: Need,
    parameters: int,
    *,
    adapter_kind: Any = None,
    modules_to_save: tuple[str, ...] | None = None,
) -> Choice:
    """Returns the engine for this run, having said which and why, in the log and the context.

    Args:
        context: The attempt.
        need: RL or evaluation.
        parameters: Of the base model.
        adapter_kind: Of what is served; None: `adapter.kind`.
        modules_to_save: Of what is served; None: `adapter.modules_to_save`.

    Raises:
        ConfigError: vLLM is asked for and cannot do it.
    """
    config = context.config
    kept_whole = config.adapter.modules_to_save if modules_to_save is None else modules_to_save
    choice = choose_engine(
        _wanted(context, need),
        need,
        **_surroundings(),
        parameters=parameters,
        adapter_kind=adapter_kind or config.adapter.kind,
        modules_to_save=tuple(kept_whole),
    )
    context.engine = choice
    context.result.engine, context.result.engine_reason = choice.engine, choice.why
    if context.ranks.is_main:
        LOG.info("Completions are sampled by %s: %s.", _NAMES[choice.engine], choice.why)
    return choice


def check_engine(context: RunContext, need: Need) -> None:
    """Refuses at the start, before a model is loaded, an engine that cannot do it.

    Raises:
        ConfigError: vLLM is asked for and cannot do it.
    """
    if _wanted(context, need) == "vllm":
        adapter = context.config.adapter
        choose_engine("vllm", need, **_surroundings(), parameters=0, adapter_kind=adapter.kind)


def _wanted(context: RunContext, need: Need) -> Literal["auto", "hf", "vllm"]:
    config = context.config
    return config.rl.engine if need is Need.RL else config.evaluation.engine


def _surroundings() -> dict[str, Any]:
    return {
        "has_gpu": torch.cuda.is_available(),
        "has_vllm": importlib.util.find_spec("vllm") is not None,
    }


def count_parameters(model: Any) -> int:
    """Returns the parameters of a model, those of 4-bit weights by what they stand for."""
    return int(model.num_parameters())


def sample_with(choice: Choice, arguments: Any, config: JobConfig) -> None:
    """Sets TRL's arguments for the engine that was chosen when the model was known."""
    if not choice.is_vllm:
        return
    for name, value in vllm_arguments(config.vllm, config.rl.loss_type).items():
        setattr(arguments, name, value)


@contextlib.contextmanager
def starting(choice: Choice, config: JobConfig) -> Iterator[None]:
    """Holds while the trainer starts the engine, with settings that TRL has no argument for."""
    with vllm_settings(config.vllm) if choice.is_vllm else contextlib.nullcontext():
        yield


def vllm_arguments(config: VLLMConfig, loss_type: str) -> dict[str, Any]:
    """Returns TRL's arguments for vLLM beside the training, on the same GPUs."""
    share = config.gpu_memory_utilization
    arguments: dict[str, Any] = {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": 0.3 if share is None else share,
        "vllm_max_model_length": config.max_model_length,
        "vllm_tensor_parallel_size": config.tensor_parallel_size,
        "vllm_enable_sleep_mode": config.enable_sleep_mode,
    }
    if loss_type == "vespo":  # it takes the sampler's ratio token by token
        arguments["vllm_importance_sampling_mode"] = "token_mask"
    return arguments


@contextlib.contextmanager
def vllm_settings(config: VLLMConfig) -> Iterator[None]:
    """Gives the vLLM that TRL starts within the block the settings that TRL has no argument for."""
    from trl.generation import vllm_generation

    engine = vllm_generation.LLM

    def with_settings(**arguments: Any) -> Any:
        return engine(
            **arguments,
            enforce_eager=config.enforce_eager,
            enable_prefix_caching=config.enable_prefix_caching,
        )

    vllm_generation.LLM = with_settings
    try:
        yield
    finally:
        vllm_generation.LLM = engine
