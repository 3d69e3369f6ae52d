"""What a checkpoint can be gone on with: its run's recipe, compared with this attempt's.

Some of it must be the same, or what goes on is another run: the model, what is trained of it, the
task, the data and their order. The rest may change between two attempts, and is said.
"""

from collections.abc import Mapping
from typing import Any

from tenyson.errors import CheckpointError
from tenyson.jobs.context import RunContext
from tenyson.manifest import recipe_of, sha256_of_json, without_secrets

_ANEW = "Use another output folder, or checkpoint.resume: never to start anew."
_ORDER = (
    "seed",
    "data_seed",
    "max_length",
    "packing",
    "shuffle_dataset",
    "num_generations",
    "generation_batch_size",
    "num_iterations",
)
"""Arguments of the trainers that decide which rows come when."""
_SPLIT = "training.fsdp"
_FREE = ("model", "checkpoint", "telemetry", "evaluation", "guards", "budget", "vllm", "task")
"""Sections that are compared elsewhere, or change nothing that is trained."""


def recipe(context: RunContext, arguments: Any, data: Mapping[str, str]) -> dict[str, Any]:
    """Returns what the manifest of each checkpoint says of the run.

    Args:
        context: The attempt.
        arguments: The trainer's; what the configuration left open is decided in them.
        data: The fingerprint of each data set by its role; the first is trained on.
    """
    config = context.config
    return {
        "run_id": context.result.run_id,
        "attempt": context.result.attempt,
        "job_type": context.job_type.value,
        "model": config.model.name,
        "revision": config.model.revision,
        "adapter": _trained(context),
        "ranks": context.ranks.size,
        "task": recipe_of(context.task),
        "data": dict(list(data.items())[:1]),
        "order": _order(arguments, context.ranks.size),
        "settings": _settings(without_secrets(context.plain_config)),
    }


def refuse_another_run(name: str, saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuses a checkpoint that this attempt would go on from as another run.

    Args:
        name: The checkpoint's.
        saved: The facts in its manifest; one of an older version has fewer.
        own: This attempt's recipe.

    Raises:
        CheckpointError: Says what differs and what to do.
    """
    for what in ("job_type", "model", "adapter"):
        if saved.get(what) != own[what]:
            raise _another(name, what, saved.get(what), own[what])
    ranks = saved.get("ranks", 1)
    if ranks != own["ranks"]:
        raise CheckpointError(
            f"{name} was saved on {ranks} rank(s), this attempt has "
            f"{own['ranks']}: batches and random states are split by ranks.",
            hint=f"Run on {ranks} again, or set checkpoint.resume: never to start anew.",
        )
    _refuse_another_split(name, saved, own)
    for what in ("revision", "base_fingerprint", "task"):
        known = saved.get(what) is not None and own.get(what) is not None
        if known and saved[what] != own[what]:
            raise _another(name, what, saved[what], own[what])
    _refuse_other_data(name, saved, own)


def changed_settings(saved: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Returns what else was set otherwise when the checkpoint was saved, `path old → new` each."""
    before, now = saved.get("settings"), own["settings"]
    if not isinstance(before, Mapping):
        return []
    return [
        f"{path} {before[path]!r} → {now[path]!r}"
        for path in sorted(before.keys() & now.keys())
        if before[path] != now[path]
    ]


def _refuse_another_split(name: str, saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Each rank saves its own part of what is split, and can load nothing else of it."""
    before, now = (facts.get("settings", {}).get(_SPLIT) for facts in (saved, own))
    if own["ranks"] > 1 and before is not None and before != now:
        raise CheckpointError(
            f"{name} was saved with {_SPLIT}: {str(before).lower()}, this attempt has "
            f"{str(now).lower()}: the optimiser's state lies in it otherwise.",
            hint=f"Set {_SPLIT}: {str(before).lower()} to go on from it. {_ANEW}",
        )


def _refuse_other_data(name: str, saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    if saved.get("data", own["data"]) != own["data"]:
        raise CheckpointError(
            f"{name} was trained on other data: the fingerprint of the rows was "
            f"{_short(saved['data'])}, it is {_short(own['data'])}. The same place in other rows "
            "means nothing, and the run would be neither of the two.",
            hint=f"Bring the rows back; learning rates and the like may change. {_ANEW}",
        )
    before = saved.get("order", {})
    if (packed := before.get("packing")) is not None and packed != own["order"].get("packing"):
        raise CheckpointError(
            f"{name} was saved with packing {'on' if packed else 'off'}, this attempt has it "
            f"{'off' if packed else 'on'}.",
            hint=f"Set data.packing: {str(packed).lower()} to go on from it.",
        )
    for setting, value in own["order"].items():
        if setting in before and before[setting] != value:
            raise CheckpointError(
                f"{name} was trained with {setting} {before[setting]!r}, this attempt has "
                f"{value!r}: rows would come in another order from there, some twice and some "
                "never.",
                hint=f"Set it back; learning rates and the like may change. {_ANEW}",
            )


def _another(name: str, what: str, saved: Any, own: Any) -> CheckpointError:
    words = {"base_fingerprint": "base model's fingerprint (of its weights)"}
    return CheckpointError(
        f"{name} is of another run: its {words.get(what, what)} is {saved!r}, this run's is "
        f"{own!r}.",
        hint=_ANEW,
    )


def _trained(context: RunContext) -> Any:
    adapter = context.config.adapter
    return "full" if adapter.kind == "full" else adapter.model_dump(exclude={"path", "dropout"})


def _order(arguments: Any, ranks: int) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in _ORDER if hasattr(arguments, name)}
    examples = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    return {**given, "examples_per_step": examples * ranks}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    task = sha256_of_json(config["task"])[:12]
    return {"task": f"sha256:{task}"} | {
        f"{section}.{name}": value
        for section, fields in config.items()
        if section not in _FREE and isinstance(fields, Mapping)
        for name, value in fields.items()
    }


def _short(data: Mapping[str, str]) -> str:
    return ", ".join(f"{role} {fingerprint[:12]}" for role, fingerprint in data.items())
