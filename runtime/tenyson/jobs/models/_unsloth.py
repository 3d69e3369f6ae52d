"""Models loaded and adapters made by Unsloth, through its documented `FastLanguageModel`.

Nothing here imports Unsloth until a run asks for it. Source: docs.unsloth.ai, "LoRA fine-tuning
hyperparameters guide" and the notebooks' loading cells.
"""

from typing import Any

from peft import set_peft_model_state_dict
from safetensors.torch import load_file

from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.jobs.models._adapters import (
    ADAPTER_WEIGHTS,
    Adapter,
    check_adapter,
    lora_alpha,
    require_its_base,
)
from tenyson.jobs.models._weights import weights_dtype

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""What `all-linear` means to Unsloth, whose kernels know these layers."""
DEFAULT_LENGTH = 2048


def load_model(config: JobConfig, source: str, job_type: JobType) -> Any:
    """Returns the base model, with Unsloth's kernels in it."""
    model, _ = _library().from_pretrained(**loading_arguments(config, source, job_type))
    return model


def loading_arguments(config: JobConfig, source: str, job_type: JobType) -> dict[str, Any]:
    """Returns the arguments of `FastLanguageModel.from_pretrained`."""
    kind, trains = config.adapter.kind, job_type is not JobType.EVAL
    return {
        "model_name": source,
        "max_seq_length": sequence_length(config, job_type),
        "dtype": weights_dtype(config, job_type),
        "load_in_4bit": kind == "qlora",
        "full_finetuning": trains and kind == "full",
        "revision": config.model.revision,
        "trust_remote_code": config.model.trust_remote_code,
        # Else a name is replaced by Unsloth's own upload of it: other weights than were asked for.
        "use_exact_model_name": True,
        "fix_tokenizer": False,
        "random_state": config.training.seed,
    }


def sequence_length(config: JobConfig, job_type: JobType) -> int:
    """Returns the longest row that the kernels are prepared for, in tokens."""
    if job_type is JobType.SFT:
        return config.data.max_length or DEFAULT_LENGTH
    return DEFAULT_LENGTH


def add_adapter(model: Any, config: JobConfig) -> Any:
    """Returns the model with a new adapter on it."""
    return _library().get_peft_model(model, **adapter_arguments(config))


def adapter_arguments(config: JobConfig) -> dict[str, Any]:
    """Returns the arguments of `FastLanguageModel.get_peft_model`."""
    adapter = config.adapter
    targets = list(adapter.target_modules)
    checkpoints = config.training.gradient_checkpointing
    return {
        "r": adapter.r,
        "lora_alpha": lora_alpha(config),
        "lora_dropout": adapter.dropout,
        "target_modules": ALL_LINEAR if targets == ["all-linear"] else targets,
        "modules_to_save": list(adapter.modules_to_save) or None,
        "bias": "none",
        "use_gradient_checkpointing": False if checkpoints is False else "unsloth",
        "random_state": config.training.seed,
    }


def put_adapter(model: Any, adapter: Adapter, config: JobConfig) -> Any:
    """Returns the model with a saved adapter on it, ready to be trained on.

    A new adapter of the same shape takes the saved tensors: PEFT's own loading would leave out
    Unsloth's kernels.
    """
    require_its_base(model, adapter)
    model = add_adapter(model, config)
    tensors = load_file(adapter.folder / ADAPTER_WEIGHTS)
    set_peft_model_state_dict(model, tensors, adapter_name="default")
    check_adapter(model, adapter.folder)
    return model


def _library() -> Any:
    from unsloth import FastLanguageModel  # type: ignore[import-not-found]

    return FastLanguageModel
