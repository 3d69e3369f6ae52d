"""Adapters: new ones, saved ones fetched and checked, and proof that one is in use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

from tenyson.checkpoints import manifest
from tenyson.checkpoints.mirror import fetch_folder
from tenyson.config import JobConfig
from tenyson.contract import File
from tenyson.errors import CheckpointError, ConfigError, DependencyError, Problem
from tenyson.files import sha256_of_file
from tenyson.jobs.context import RunContext
from tenyson.jobs.models._model_errors import short
from tenyson.jobs.models._weights import base_fingerprint

ADAPTER_WEIGHTS = File.ADAPTER_WEIGHTS
ADAPTER_CONFIG = "adapter_config.json"
FETCHED_ADAPTER = "adapter-start"
_OF_ITS_BASE = "Use the base model that the adapter was trained on."


@dataclass(frozen=True)
class Adapter:
    """A saved adapter to start from."""

    folder: Path
    sha256: str
    base: str | None = None
    """Name of the base model that it was trained on, where its manifest says so."""
    base_fingerprint: str | None = None
    """What that base's weights are told by; None where it was not written down."""


def new_lora(config: JobConfig) -> Any:
    """Returns PEFT's configuration of a new adapter."""
    adapter = config.adapter
    targets: str | list[str] = list(adapter.target_modules)
    if targets == ["all-linear"]:
        targets = "all-linear"
    return LoraConfig(
        r=adapter.r,
        lora_alpha=lora_alpha(config),
        lora_dropout=adapter.dropout,
        target_modules=targets,
        modules_to_save=list(adapter.modules_to_save) or None,
        use_dora=adapter.kind == "dora",
        task_type="CAUSAL_LM",
    )


def lora_alpha(config: JobConfig) -> float:
    """Returns the scale of the matrices, applied as alpha / r."""
    adapter = config.adapter
    return adapter.alpha if adapter.alpha is not None else 2 * adapter.r


def require_modules(model: Any, names: list[str]) -> None:
    """Refuses names in `adapter.modules_to_save` that no layer has; PEFT would say nothing.

    Raises:
        ConfigError: Lists the names that the model has.
    """
    layers = [name for name, _ in model.named_modules() if name]
    for wanted in names:
        if not any(layer == wanted or layer.endswith(f".{wanted}") for layer in layers):
            known = {layer.rpartition(".")[2] for layer in layers}
            raise ConfigError(
                [Problem("adapter.modules_to_save", f"the model has no layer {wanted!r}")],
                hint=f"Its layers are {', '.join(sorted(n for n in known if not n.isdecimal()))}.",
            )


def locate_adapter(context: RunContext) -> Adapter | None:
    """Returns the adapter to start from, fetched and checked; None where there is none.

    Raises:
        CheckpointError: It is no adapter, not what its manifest says, or has another hash.
    """
    source = context.adapter_source
    if source is None:
        return None
    return fetch_adapter(
        source, context.output_dir / FETCHED_ADAPTER, context.options.adapter_sha256
    )


def fetch_adapter(source: str, target: Path, sha256: str | None = None) -> Adapter:
    """Returns an adapter, checked.

    Args:
        source: Its folder, or a URI.
        target: Where one behind a URI is copied to.
        sha256: What its hash must be; None accepts any.

    Raises:
        CheckpointError: It is no adapter, not what its manifest says, or has another hash.
    """
    is_remote = "://" in source
    folder = fetch_folder(source, target) if is_remote else Path(source).expanduser()
    folder = _adapter_folder(folder, source)
    facts: dict[str, Any] = {}
    if (folder / File.CHECKPOINT_MANIFEST).is_file():
        facts = manifest.verify(folder)
    found = sha256_of_file(folder / ADAPTER_WEIGHTS)
    if sha256 and sha256.lower() != found:
        raise CheckpointError(
            f"The adapter in {source} has SHA-256 {found}, expected {sha256}.",
            hint="It was written again after the run that it comes from; run that job again.",
        )
    return Adapter(folder, found, facts.get("model"), facts.get("base_fingerprint"))


def put_adapter(model: Any, adapter: Adapter, *, is_trainable: bool, name: str = "default") -> Any:
    """Returns the model with the adapter on it, every tensor of the file proved to be in use.

    Args:
        model: The base, or one that has adapters already.
        adapter: The adapter.
        is_trainable: Whether it is to be trained further.
        name: What PEFT calls it; holds no dot.

    Raises:
        CheckpointError: The adapter does not fit this model, or was trained on another.
    """
    require_its_base(model, adapter)
    folder = str(adapter.folder)
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(folder, adapter_name=name, is_trainable=is_trainable)
            with_adapter = model
        else:
            with_adapter = PeftModel.from_pretrained(
                model, folder, adapter_name=name, is_trainable=is_trainable
            )
    except (RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"The adapter in {adapter.folder} does not fit the model: {short(error)}",
            hint=_OF_ITS_BASE,
        ) from error
    check_adapter(with_adapter, adapter.folder, name)
    return with_adapter


def require_its_base(model: Any, adapter: Adapter) -> None:
    """Refuses a base model of other weights than those that the adapter was trained on.

    A base of the same shape takes any adapter without a word, and then answers nonsense.
    """
    if adapter.base_fingerprint is not None:
        require_fingerprint(adapter, base_fingerprint(model))


def require_fingerprint(adapter: Adapter, found: str | None) -> None:
    """Refuses a base model's fingerprint that is not the one of the adapter's; None is any."""
    if None not in (found, adapter.base_fingerprint) and found != adapter.base_fingerprint:
        name = f" ({adapter.base})" if adapter.base else ""
        raise CheckpointError(
            f"The adapter in {adapter.folder} was trained on another base model{name}: the "
            "weights that model.name gives are not those.",
            hint=_OF_ITS_BASE,
        )


def check_adapter(model: Any, folder: Path, name: str = "default") -> None:
    """Refuses a model on which the adapter of this name is not exactly what the file holds."""
    saved = load_file(folder / ADAPTER_WEIGHTS)
    loaded = get_peft_model_state_dict(model, adapter_name=name)
    if different := sorted(saved.keys() ^ loaded.keys()):
        raise CheckpointError(
            f"The adapter in {folder} does not fit the model: {len(different)} of its "
            f"{len(saved)} tensors have no match, {different[0]} for one.",
            hint=_OF_ITS_BASE,
        )
    for key, tensor in saved.items():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"The adapter in {folder} is broken: {key} holds NaN or an infinity.",
                hint="Use an earlier checkpoint of the run that saved it.",
            )
        if not torch.equal(loaded[key].cpu(), tensor.to(loaded[key].dtype)):
            raise CheckpointError(f"The adapter in {folder} was not loaded: {key} differs.")


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
