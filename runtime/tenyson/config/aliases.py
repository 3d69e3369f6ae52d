"""Other spellings of a configuration's fields: the flat YAML of the documents, and older names.

Each is read as the field of today, and whoever reads the log or the manifest is told so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tenyson.config.models import JobConfig
from tenyson.contract import JobType
from tenyson.errors import Problem

_FLAT: Final = {
    "learning_rate": "training.learning_rate",
    "steps": "training.max_steps",
    "num_steps": "training.max_steps",
    "max_steps": "training.max_steps",
    "num_batches": "training.max_steps",
    "epochs": "training.num_train_epochs",
    "num_train_epochs": "training.num_train_epochs",
    "batch_size": "training.per_device_train_batch_size",
    "gradient_accumulation_steps": "training.gradient_accumulation_steps",
    "seed": "training.seed",
    "max_seq_length": "data.max_length",
    "lora_rank": "adapter.r",
    "lora_r": "adapter.r",
    "lora_alpha": "adapter.alpha",
    "lora_dropout": "adapter.dropout",
    "lora_target_modules": "adapter.target_modules",
}
_NESTED: Final = {
    "training.steps": "training.max_steps",
    "training.num_steps": "training.max_steps",
    "training.epochs": "training.num_train_epochs",
    "training.batch_size": "training.per_device_train_batch_size",
    "training.per_device_batch_size": "training.per_device_train_batch_size",
    "training.lr_scheduler": "training.lr_scheduler_type",
    "training.save_steps": "checkpoint.every_steps",
    "training.save_total_limit": "checkpoint.keep",
    "training.packing": "data.packing",
    "training.num_generations": "rl.num_generations",
    "training.max_completion_length": "rl.max_completion_length",
    "model.max_length": "data.max_length",
    "model.max_seq_length": "data.max_length",
    "model.lora_r": "adapter.r",
    "model.lora_alpha": "adapter.alpha",
    "model.lora_target_modules": "adapter.target_modules",
    "lora.r": "adapter.r",
    "lora.alpha": "adapter.alpha",
    "lora.dropout": "adapter.dropout",
    "lora.target_modules": "adapter.target_modules",
    "vllm.temperature": "rl.temperature",
    "vllm.top_p": "rl.top_p",
    "vllm.top_k": "rl.top_k",
    "vllm.min_p": "rl.min_p",
    "vllm.max_tokens": "rl.max_completion_length",
}
_ALIASES: Final = {**_FLAT, **_NESTED}
_OF_AN_EVALUATION: Final = {
    "training.seed": "evaluation.seed",
    "training.per_device_train_batch_size": "evaluation.batch_size",
    "data.max_length": "vllm.max_model_length",
    "rl.temperature": "evaluation.temperature",
    "rl.top_p": "evaluation.top_p",
    "rl.top_k": "evaluation.top_k",
    "rl.max_completion_length": "evaluation.max_new_tokens",
}
"""What an Eval job has in place of a trainer's field."""

_SECTIONS: Final = {*JobConfig.model_fields, *(path.partition(".")[0] for path in _NESTED)}

ELSEWHERE: Final = {
    "lora": "r, alpha, dropout and target_modules are keys of adapter; others have no place",
    "model.load_in_4bit": "set adapter.kind: qlora",
    "model.fast_inference": "set rl.engine or evaluation.engine: vllm",
    "model.init_adapter_repo": "give the adapter's folder or URI as adapter.path",
    "training.max_prompt_length": "TRL has none any more; cut prompts in the task's hook",
    "training.output_dir": "give --output-dir",
    "training.report_to": "set telemetry.db_url; metrics.jsonl is always written",
    "training.run_name": "give --run-id",
    "training.hf_repo_id": "set the environment variable TENYSON_HUB_REPO",
    "training.gradient_checkpointing_kwargs": "give it in trainer_args",
    "vllm.enabled": "set rl.engine or evaluation.engine: vllm",
    "evaluation.output_dir": "give --output-dir",
}
"""Keys that were moved out of the configuration, or into something with other values."""


@dataclass(frozen=True)
class Reading:
    """A mapping with the fields of today, and what it was made from."""

    content: dict[str, Any]
    written: dict[str, str] = field(default_factory=dict)
    """By path, how the field was written instead."""
    problems: list[Problem] = field(default_factory=list)


def read_aliases(content: Mapping[str, Any], job_type: JobType | None = None) -> Reading:
    """Returns the mapping with each other spelling moved to its field; one both ways is a problem.

    Args:
        content: As it was written; it is not changed.
        job_type: An Eval job's `seed` and `batch_size` are others than a trainer's.
    """
    reading = Reading({n: dict(v) if isinstance(v, Mapping) else v for n, v in content.items()})
    for name, value in content.items():
        if value is None and name in _SECTIONS:  # `training:` with all its keys commented out
            del reading.content[name]
    if isinstance(model := reading.content.get("model"), str):
        reading.content["model"] = {"name": model}
        reading.written["model.name"] = "model"
    for old in _ALIASES:
        if has(reading.content, old):
            _move(reading, old, field_of(old, job_type))
    return reading


def field_of(path: str, job_type: JobType | None = None) -> str:
    """Returns the path of the field that a spelling stands for; a field's own stays as it is."""
    if path == "model":
        return "model.name"
    known = _ALIASES.get(path, path)
    if known != path and job_type is JobType.EVAL:
        return _OF_AN_EVALUATION.get(known, known)
    if path.startswith("vllm.") and job_type is JobType.SFT:
        return _OF_AN_EVALUATION.get(known, known)
    return known


def has(content: Mapping[str, Any], path: str) -> bool:
    """Whether a dotted path is written in a mapping."""
    *parents, key = path.split(".")
    section: Any = content
    for part in parents:
        section = section.get(part) if isinstance(section, Mapping) else None
    return isinstance(section, Mapping) and key in section


def _move(reading: Reading, old: str, path: str) -> None:
    value = _take(reading.content, old)
    section, key = path.split(".")
    target = reading.content.setdefault(section, {})
    if not isinstance(target, dict):  # the section itself is refused later
        return
    if key in target and target[key] != value:
        other = reading.written.get(path, path)
        reading.problems.append(
            Problem(old, f"means {path}, and {other} is given too, with another value; keep one")
        )
        return
    target[key] = value
    reading.written.setdefault(path, old)


def _take(content: dict[str, Any], path: str) -> Any:
    """Removes a value and returns it; a section that this empties goes too, unless it is one."""
    section, _, key = path.rpartition(".")
    if not section:
        return content.pop(key)
    value = content[section].pop(key)
    if section == "lora" and not content[section]:
        del content[section]
    return value
