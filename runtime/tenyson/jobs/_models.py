"""Base models, tokenizers and adapters: where they come from, and proof that they are loaded."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tenyson.checkpoints import manifest
from tenyson.checkpoints.mirror import fetch_folder
from tenyson.config import JobConfig
from tenyson.contract import File, JobType
from tenyson.errors import (
    CheckpointError,
    ConfigError,
    CredentialsError,
    DependencyError,
    Problem,
    TaskError,
    TenysonError,
)
from tenyson.files import sha256_of_file
from tenyson.jobs._data import call_hook
from tenyson.jobs.context import RunContext

LOG = logging.getLogger("tenyson.jobs")
TASK_PREFIX = "task:"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
FETCHED_ADAPTER = "adapter-start"
_BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Adapter:
    """A saved adapter to start from."""

    folder: Path
    sha256: str


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
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(config: JobConfig, source: str, job_type: JobType) -> Any:
    """Returns the base model on the CPU; the trainer or the evaluation moves it.

    Raises:
        DependencyError: It is not there, or the Hub cannot be reached.
        CredentialsError: The Hub asks for a token, or refuses the one it got.
    """
    model = config.model
    try:
        return AutoModelForCausalLM.from_pretrained(
            source,
            revision=model.revision,
            dtype=weights_dtype(config, job_type),
            attn_implementation=model.attn_implementation,
            trust_remote_code=model.trust_remote_code,
        )
    except (OSError, ValueError, ImportError) as error:
        raise load_error(error, source, model.revision) from error


def weights_dtype(config: JobConfig, job_type: JobType) -> torch.dtype:
    """Returns the type that the weights are loaded in."""
    name = config.model.dtype
    if name != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[name]
    # Updates of full fine-tuning are smaller than bfloat16 can represent; autocast computes in it.
    trains_all = job_type is not JobType.EVAL and config.adapter.kind == "full"
    return torch.bfloat16 if computes_in_bfloat16() and not trains_all else torch.float32


def computes_in_bfloat16() -> bool:
    """Whether there is a GPU that has bfloat16."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def new_lora(config: JobConfig) -> Any:
    """Returns PEFT's configuration of a new adapter."""
    adapter = config.adapter
    targets: str | list[str] = list(adapter.target_modules)
    if targets == ["all-linear"]:
        targets = "all-linear"
    return LoraConfig(
        r=adapter.r,
        lora_alpha=adapter.alpha if adapter.alpha is not None else 2 * adapter.r,
        lora_dropout=adapter.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def locate_adapter(context: RunContext) -> Adapter | None:
    """Returns the adapter to start from, fetched and checked; None where there is none.

    Raises:
        CheckpointError: It is no adapter, not what its manifest says, or has another hash.
    """
    source = context.adapter_source
    if source is None:
        return None
    if "://" in source:
        folder = fetch_folder(source, context.output_dir / FETCHED_ADAPTER)
    else:
        folder = Path(source).expanduser()
    folder = _adapter_folder(folder, source)
    if (folder / File.CHECKPOINT_MANIFEST).is_file():
        manifest.verify(folder)
    found = sha256_of_file(folder / ADAPTER_WEIGHTS)
    wanted = context.options.adapter_sha256
    if wanted and wanted.lower() != found:
        raise CheckpointError(
            f"The adapter in {source} has SHA-256 {found}, expected {wanted}.",
            hint="It was written again after the run that it comes from; run that job again.",
        )
    return Adapter(folder, found)


def put_adapter(model: Any, adapter: Adapter, *, is_trainable: bool) -> Any:
    """Returns the model with the adapter on it, every tensor of the file proved to be in use.

    Raises:
        CheckpointError: The adapter does not fit this model.
    """
    try:
        with_adapter = PeftModel.from_pretrained(
            model, str(adapter.folder), is_trainable=is_trainable
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"The adapter in {adapter.folder} does not fit the model: {_short(error)}",
            hint="Use the base model that the adapter was trained on.",
        ) from error
    check_adapter(with_adapter, adapter.folder)
    return with_adapter


def check_adapter(model: Any, folder: Path) -> None:
    """Refuses a model whose `default` adapter is not exactly what the folder's file holds."""
    saved = load_file(folder / ADAPTER_WEIGHTS)
    loaded = get_peft_model_state_dict(model, adapter_name="default")
    if different := sorted(saved.keys() ^ loaded.keys()):
        raise CheckpointError(
            f"The adapter in {folder} does not fit the model: {len(different)} of its "
            f"{len(saved)} tensors have no match, {different[0]} for one.",
            hint="Use the base model that the adapter was trained on.",
        )
    for name, tensor in saved.items():
        if not torch.equal(loaded[name].cpu(), tensor.to(loaded[name].dtype)):
            raise CheckpointError(f"The adapter in {folder} was not loaded: {name} differs.")


def load_error(error: Exception, source: str, revision: str) -> TenysonError:
    """Returns what to tell the user about a model or tokenizer that did not load."""
    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    status = next((s for c in causes if (s := _http_status(c)) is not None), None)
    if "GatedRepoError" in names or (
        status in (401, 403) and "RepositoryNotFoundError" not in names
    ):
        return CredentialsError(
            f"The Hub refuses access to {source}.",
            hint="Accept the model's licence on its page, and set HF_TOKEN to a token that may "
            "read it.",
        )
    if Path(source).is_dir():
        return DependencyError(
            f"The folder {source} holds no model that transformers can load: {_short(error)}"
        )
    if status in _BUSY:
        return DependencyError(
            f"The Hub answered {status} for {source}.", hint="It is busy or down; try again later."
        )
    if status is not None or "RevisionNotFoundError" in names:
        return DependencyError(
            f"The Hub has no model {source} at revision {revision} that this run may see.",
            hint="Check model.name and model.revision; a private model needs HF_TOKEN.",
        )
    return DependencyError(
        f"The model {source} is neither a folder nor in the local cache, and the Hub cannot be "
        f"reached: {_short(error)}",
        hint=f"Check the name and the network; a folder is looked for from {Path.cwd()}.",
    )


def _adapter_folder(folder: Path, source: str) -> Path:
    for candidate in (folder, folder / File.FINAL_CHECKPOINT):
        if (candidate / ADAPTER_WEIGHTS).is_file() and (candidate / ADAPTER_CONFIG).is_file():
            return candidate
    if not folder.is_dir():
        raise DependencyError(
            f"There is no adapter folder {source}.", hint=f"Looked from {Path.cwd()}."
        )
    if (folder / "config.json").is_file() or (folder / File.FINAL_CHECKPOINT).is_dir():
        raise CheckpointError(
            f"{source} holds a whole model, not an adapter.",
            hint="Give it as model.name instead of adapter.path.",
        )
    raise CheckpointError(
        f"{source} holds no adapter: expected {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}.",
        hint="Give the checkpoint-final folder of the run that trained it.",
    )


def _causes(error: BaseException | None) -> Any:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _http_status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:299] + "…"
