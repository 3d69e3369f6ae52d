"""The model with the weights that a run trains: all of them, or an adapter, new or saved."""

from typing import Any

from peft import get_peft_model

from tenyson.errors import ConfigError, Problem
from tenyson.jobs.context import RunContext
from tenyson.jobs.models import _unsloth
from tenyson.jobs.models._adapters import (
    Adapter,
    locate_adapter,
    new_lora,
    put_adapter,
    require_modules,
)
from tenyson.jobs.models._models import load_model
from tenyson.seeding import seed_everything


def model_to_train(context: RunContext, source: str) -> tuple[Any, Adapter | None]:
    """Returns the model with the weights that are to be trained, and the adapter it starts from."""
    config, stop = context.config, context.options.stop
    adapter = locate_adapter(context)
    if config.adapter.kind == "full" and adapter is not None:
        raise ConfigError(
            [
                Problem(
                    "adapter.path",
                    "adapter.kind full trains every weight of the base model and cannot start from "
                    "an adapter",
                )
            ],
            hint="Set adapter.kind: lora to go on training the adapter.",
        )
    stop.check()
    model = load_model(config, source, context.job_type)
    stop.check()
    if config.adapter.kind == "full":
        return model, None
    if adapter is not None:
        return _with_saved(context, model, adapter), adapter
    return _with_new(context, model), None


def _with_saved(context: RunContext, model: Any, adapter: Adapter) -> Any:
    if context.config.model.loader == "unsloth":
        return _unsloth.put_adapter(model, adapter, context.config)
    with_adapter = put_adapter(model, adapter, is_trainable=True)
    _require_the_same_kind(context, with_adapter.peft_config["default"])
    return with_adapter


def _with_new(context: RunContext, model: Any) -> Any:
    config = context.config
    require_modules(model, config.adapter.modules_to_save)
    seed_everything(config.training.seed)  # the first matrices are drawn at random
    try:
        if config.model.loader == "unsloth":
            return _unsloth.add_adapter(model, config)
        return get_peft_model(model, new_lora(config))
    except ValueError as error:
        raise ConfigError(
            [Problem("adapter.target_modules", str(error))],
            hint="Name layers that the model has, or all-linear.",
        ) from error


def _require_the_same_kind(context: RunContext, saved: Any) -> None:
    """What a saved adapter is counts, so what the configuration says beside it must not differ.

    Raises:
        ConfigError: The saved one is DoRA and `adapter.kind` says lora, or the other way round.
    """
    kind = context.config.adapter.kind
    is_dora = bool(getattr(saved, "use_dora", False))
    if is_dora != (kind == "dora"):
        raise ConfigError(
            [
                Problem(
                    "adapter.kind",
                    f"{kind} is wanted, but the adapter in {context.adapter_source} is of the kind "
                    f"{'dora' if is_dora else 'lora'}",
                )
            ],
            hint="Give the kind that the adapter was trained with.",
        )
