"""Which models an evaluation looks at, and the engine that runs them all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem
from tenyson.evaluation.completions import BASE
from tenyson.evaluation.engines.engine import Engine
from tenyson.evaluation.engines.vllm_start import LORA_RANKS, EngineSettings, ServedAdapter
from tenyson.jobs.context import RunContext
from tenyson.jobs.models._adapters import require_fingerprint
from tenyson.jobs.models._base_files import fingerprint_of_files
from tenyson.jobs.models._models import (
    ADAPTER_CONFIG,
    Adapter,
    fetch_adapter,
    load_model,
    load_model_config,
    locate_adapter,
    put_adapter,
    weights_dtype,
    without_weights,
)
from tenyson.jobs.sampling._engines import engine_of
from tenyson.jobs.sampling.engines import Choice, Need

MAIN = "main"
"""What engines call the adapter of `adapter.path`."""
FETCHED = "evaluated-adapter-{name}"
"""Apart from `_adapters.FETCHED_ADAPTER`, whatever the name."""


@dataclass(frozen=True)
class EvaluatedModel:
    """The base model, or an adapter on it."""

    name: str
    """What engines call it."""
    label: str
    """What its results are called; empty for the main model's."""
    adapter: Adapter | None

    @property
    def adapter_sha256(self) -> str | None:
        """Of the adapter's weights; None for the base model."""
        return self.adapter.sha256 if self.adapter else None

    @cached_property
    def adapter_config(self) -> dict[str, Any]:
        """PEFT's configuration of the adapter; empty for the base model."""
        if self.adapter is None:
            return {}
        text = (self.adapter.folder / ADAPTER_CONFIG).read_text(encoding="utf-8")
        content: dict[str, Any] = json.loads(text)
        return content


def locate_models(context: RunContext) -> list[EvaluatedModel]:
    """Returns what is evaluated, the main model first, with all adapters fetched and checked.

    Raises:
        CheckpointError: One of the adapters is none, or is damaged.
    """
    settings = context.config.evaluation
    main = locate_adapter(context)
    base = EvaluatedModel(BASE, "", None)
    models = [base if main is None else EvaluatedModel(MAIN, "", main)]
    if main is not None and settings.include_base:
        models.append(EvaluatedModel(BASE, BASE, None))
    for name, source in settings.adapters.items():
        adapter = fetch_adapter(source, context.output_dir / FETCHED.format(name=name))
        models.append(EvaluatedModel(name, name, adapter))
    return models


def choose(
    context: RunContext, source: str, model_config: Any, models: list[EvaluatedModel]
) -> Choice:
    """Returns the engine, by the size of the model and what the adapters are.

    Raises:
        ConfigError: vLLM is asked for and cannot do it.
    """
    kinds = {_kind(model) for model in models}
    kept_whole = [m for model in models for m in model.adapter_config.get("modules_to_save") or ()]
    return engine_of(
        context,
        Need.EVALUATION,
        int(without_weights(context.config, source, model_config).num_parameters()),
        adapter_kind="dora" if "dora" in kinds else "lora" if "lora" in kinds else "none",
        modules_to_save=tuple(kept_whole),
    )


def open_engine(
    context: RunContext,
    choice: Choice,
    source: str,
    tokenizer: Any,
    models: list[EvaluatedModel],
    *,
    needed_length: int,
) -> Engine:
    """Returns the engine, started, with every adapter loaded.

    Args:
        context: The attempt.
        choice: Which engine.
        source: Hub name or folder of the base model.
        tokenizer: The model's.
        models: What it will be asked for.
        needed_length: Tokens of the longest prompt and its completion.
    """
    if choice.is_vllm:
        return _open_vllm(context, source, tokenizer, models, needed_length)
    from tenyson.evaluation.engines.hf import HFEngine

    model = load_model(context.config, source, JobType.EVAL)
    names: dict[str, str] = {}
    for evaluated in models:
        if evaluated.adapter is not None:
            name = names[evaluated.name] = f"adapter_{len(names)}"
            model = put_adapter(model, evaluated.adapter, is_trainable=False, name=name)
    return HFEngine(
        model.to("cuda" if torch.cuda.is_available() else "cpu"),
        tokenizer,
        adapters=names,
        batch_size=context.config.evaluation.batch_size,
    )


def _open_vllm(
    context: RunContext,
    source: str,
    tokenizer: Any,
    models: list[EvaluatedModel],
    needed_length: int,
) -> Engine:
    from tenyson.evaluation.engines.vllm import VLLMEngine

    config, has_gpu = context.config, torch.cuda.is_available()
    _require_their_base(context, source, models)
    adapters = {
        model.name: ServedAdapter(model.adapter.folder, model.adapter.sha256, _rank(model))
        for model in models
        if model.adapter is not None
    }
    # Keys and values for a model's whole context may not fit into what a CPU is given for them.
    length = config.vllm.max_model_length or (None if has_gpu else needed_length)
    settings = EngineSettings(
        dtype=str(weights_dtype(config, JobType.EVAL)).removeprefix("torch."),
        revision=None if Path(source).is_dir() else config.model.revision,
        trust_remote_code=config.model.trust_remote_code,
        max_model_length=length,
        gpu_memory_utilization=config.vllm.gpu_memory_utilization,
        tensor_parallel_size=config.vllm.tensor_parallel_size,
        enforce_eager=config.vllm.enforce_eager,
        enable_prefix_caching=config.vllm.enable_prefix_caching,
    )
    return VLLMEngine(source, tokenizer, adapters=adapters, settings=settings, has_gpu=has_gpu)


def _kind(model: EvaluatedModel) -> Literal["none", "lora", "dora"]:
    if model.adapter is None:
        return "none"
    return "dora" if model.adapter_config.get("use_dora") else "lora"


def _rank(model: EvaluatedModel) -> int:
    """Returns the adapter's greatest rank.

    Raises:
        ConfigError: It is greater than any that vLLM has buffers for.
    """
    patterns = model.adapter_config.get("rank_pattern") or {}
    rank = max([int(model.adapter_config.get("r", 8)), *map(int, patterns.values())])
    if rank > LORA_RANKS[-1]:
        problem = f"vLLM serves adapters up to rank {LORA_RANKS[-1]}, {model.name} has {rank}"
        raise ConfigError(
            [Problem("evaluation.engine", problem)], hint="Set evaluation.engine: hf."
        )
    return rank


def _require_their_base(context: RunContext, source: str, models: Sequence[EvaluatedModel]) -> None:
    """Refuses a base model that an adapter was not trained on; see `_adapters.require_its_base`."""
    told = [m.adapter for m in models if m.adapter and m.adapter.base_fingerprint]
    if not told:
        return
    model = without_weights(context.config, source, load_model_config(context.config, source))
    found = fingerprint_of_files(context.config, source, model)
    for adapter in told:
        require_fingerprint(adapter, found)
