"""Base models and tokenizers: where they come from, and what is asked of them before training.

Adapters are in `_adapters.py`; what belongs to loading a model is importable from here.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import call_hook
from tenyson.jobs.models import _unsloth
from tenyson.jobs.models._adapters import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    Adapter,
    check_adapter,
    fetch_adapter,
    locate_adapter,
    new_lora,
    put_adapter,
)
from tenyson.jobs.models._model_errors import load_error
from tenyson.jobs.models._quantization import four_bits
from tenyson.jobs.models._weights import computes_in_bfloat16, require_finite, weights_dtype

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "Adapter",
    "check_adapter",
    "computes_in_bfloat16",
    "fetch_adapter",
    "load_error",
    "load_model",
    "load_model_config",
    "load_tokenizer",
    "locate_adapter",
    "locate_model",
    "new_lora",
    "put_adapter",
    "require_vocabulary",
    "weights_dtype",
    "without_weights",
]

LOG = logging.getLogger("tenyson.jobs")
TASK_PREFIX = "task:"


def locate_model(context: RunContext) -> str:
    """Returns what transformers can load: a Hub name, or a folder."""
    name = context.config.model.name
    if not name.startswith(TASK_PREFIX):
        if name.startswith(("/", "./", "../", "~")) and not Path(name).expanduser().is_dir():
            raise ConfigError(
                [Problem("model.name", f"there is no folder {name}")],
                hint=f"Looked from {Path.cwd()}.",
            )
        return str(Path(name).expanduser()) if name.startswith("~") else name
    folder = call_hook(
        context, "get_base_model", context.plain_config, name.removeprefix(TASK_PREFIX)
    )
    if not isinstance(folder, str | Path) or not Path(folder).is_dir():
        raise TaskError(
            f"get_base_model returned {folder!r} for {name}; expected the folder of a model."
        )
    return str(folder)


def load_tokenizer(config: JobConfig, source: str) -> Any:
    """Returns the tokenizer, with a padding token.

    Raises:
        DependencyError: It is not there, or the Hub cannot be reached.
        ConfigError: It has no token that could end a text.
    """
    model = config.model
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise load_error(error, source, model.revision) from error
    if tokenizer.eos_token is None:
        raise ConfigError(
            [Problem("model.name", f"the tokenizer of {source} has no end-of-text token")],
            hint="Without one no completion could end; set eos_token in its tokenizer_config.json.",
        )
    if tokenizer.pad_token is None:
        LOG.info(
            "The tokenizer has no padding token: %s pads, too; padding is left out of the loss",
            tokenizer.eos_token,
        )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(config: JobConfig, source: str, job_type: JobType) -> Any:
    """Returns the base model, its weights finite.

    It is on the CPU, for the trainer or the evaluation to move; one of 4 bits is on the GPU.

    Raises:
        DependencyError: It is not there, the Hub cannot be reached, or a library is missing.
        CredentialsError: The Hub asks for a token, or refuses the one it got.
        CheckpointError: Its weights hold NaN.
        ConfigError: It needs a GPU, and there is none.
    """
    model = config.model
    quantization = four_bits(config)
    try:
        if model.loader == "unsloth":
            loaded = _unsloth.load_model(config, source, job_type)
        else:
            loaded = AutoModelForCausalLM.from_pretrained(
                source,
                revision=model.revision,
                dtype=weights_dtype(config, job_type),
                attn_implementation=model.attn_implementation,
                trust_remote_code=model.trust_remote_code,
                **({"quantization_config": quantization} if quantization else {}),
            )
    except (OSError, ValueError, ImportError) as error:
        raise load_error(error, source, model.revision) from error
    require_finite(loaded, f"the model {source}")
    return loaded


def load_model_config(config: JobConfig, source: str) -> Any:
    """Returns transformers' configuration of the base model; its weights are not read.

    Raises:
        DependencyError: It is not there, or the Hub cannot be reached.
    """
    model = config.model
    try:
        return AutoConfig.from_pretrained(
            source, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError, ImportError) as error:
        raise load_error(error, source, model.revision) from error


def without_weights(config: JobConfig, source: str, model_config: Any) -> Any:
    """Returns the base model with its tensors' names and shapes alone.

    Raises:
        DependencyError: It is no model that generates text from the left to the right.
    """
    model = config.model
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(
                model_config, trust_remote_code=model.trust_remote_code
            )
    except (OSError, ValueError, ImportError) as error:
        raise load_error(error, source, model.revision) from error


def require_vocabulary(model_config: Any, tokenizer: Any, largest_id: int) -> None:
    """Refuses a tokenizer whose tokens the model has no embedding for.

    A tokenizer may know tokens that a text model never sees (those of images); so it is the ids in
    use that count: the special ones and those of the data.

    Args:
        model_config: Of transformers.
        tokenizer: What made the ids.
        largest_id: Of the data.

    Raises:
        ConfigError: Says the id, and how many the model knows.
    """
    known = model_config.get_text_config().vocab_size
    ids = {"the end-of-text token": tokenizer.eos_token_id, "the data": largest_id}
    for what, token_id in ids.items():
        if token_id is not None and token_id >= known:
            raise ConfigError(
                [
                    Problem(
                        "model.name",
                        f"the tokenizer gives {what} the id {token_id}, the model has "
                        f"embeddings for {known} tokens alone",
                    )
                ],
                hint="Model and tokenizer are of different models; use one folder or Hub name that "
                "holds both.",
            )
