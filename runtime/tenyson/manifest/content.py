"""The content of a manifest: the document's fields by its names, then what makes it repeatable."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenyson.contract import Env
from tenyson.hiding import hide_in
from tenyson.manifest.git import git_facts
from tenyson.manifest.hardware import hardware, versions
from tenyson.manifest.hashes import sha256_of_json
from tenyson.manifest.secret import (
    command_without_secrets,
    hide_passwords,
    recorded_environment,
    without_secrets,
)

SCHEMA_VERSION = 2
LOWER_IS_BETTER = "lower_is_better"
"""Of an evaluation: the numbers of which less is better, where the task names any."""


@dataclass(frozen=True)
class Parts:
    """What a job knows of its run."""

    run_id: str
    attempt: int
    job_type: str
    """`sft`, `rl` or `eval`."""
    config: dict[str, Any]
    """Resolved; the secrets in it are left out of the manifest."""
    recipe: str
    """The task, `module:Class`."""
    task: dict[str, Any]
    """What identifies the task's code."""
    datasets: dict[str, dict[str, Any]]
    """By role (`train`, `eval`): `rows`, `columns`, `fingerprint`; the first is what counts."""
    model: dict[str, Any]
    """`name`, `source` and what identifies the weights."""
    tokenizer: dict[str, Any]
    folder: Path
    adapter_parent: dict[str, Any] | None = None
    """`path` and `sha256` of the adapter started from; None for a new one."""
    evaluated_adapters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of an evaluation's further adapters, by name, `path` and `sha256`."""
    parent_runs: list[dict[str, Any]] = field(default_factory=list)
    """The runs that trained the adapter started from, the nearest first."""
    resumed_from_step: int = 0
    ranks: int = 1
    command: tuple[str, ...] = ()
    """Empty for a run from Python."""
    engine: dict[str, Any] | None = None
    """What samples or generates, and `why`; None in SFT."""
    dataset: dict[str, Any] | None = None
    """Of the named data set: `key`, `build_id`, `sha256`, `rows`, `store`; None without one."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the job found out before it trained, each under a name of its own."""


def manifest_content(parts: Parts) -> dict[str, Any]:
    """Returns the manifest, with what is found out here: code, machine, environment, time."""
    config = without_secrets(parts.config)
    training = config["training"]
    main = next(iter(parts.datasets.values()))
    seeds = {"training": training["seed"], "evaluation": config["evaluation"]["seed"]}
    code = Path(parts.task["file"]).parent if parts.task.get("file") else Path.cwd()
    return {
        "run_id": parts.run_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "dataset_key": _dataset_key(parts, config, main),
        "training_config": {
            "model": config["model"]["name"],
            "learning_rate": training["learning_rate"],
            "steps": training["max_steps"],
            "batch_size": training["per_device_train_batch_size"],
        },
        "recipe": parts.recipe,
        "seed": seeds["evaluation" if parts.job_type == "eval" else "training"],
        **git_facts(code),
        "artifacts_path": str(parts.folder),
        "schema_version": SCHEMA_VERSION,
        "job_type": parts.job_type,
        "attempt": parts.attempt,
        "resumed_from_step": parts.resumed_from_step,
        "ranks": parts.ranks,
        "effective_batch_size": parts.ranks
        * training["per_device_train_batch_size"]
        * training["gradient_accumulation_steps"],
        "seeds": seeds,
        "task": parts.task,
        "dataset": parts.dataset,
        "datasets": parts.datasets,
        "model": parts.model,
        "tokenizer": parts.tokenizer,
        "engine": parts.engine,
        "adapter_parent": parts.adapter_parent,
        "evaluated_adapters": parts.evaluated_adapters,
        "parent_runs": parts.parent_runs,
        "config": config,
        "config_sha256": sha256_of_json(config),
        "versions": versions(),
        "image_digest": os.environ.get(Env.IMAGE_DIGEST) or None,
        "hardware": hardware(),
        "environment": recorded_environment(),
        "command": command_without_secrets(parts.command),
        **hide_passwords(parts.notes),
    }


def _dataset_key(parts: Parts, config: dict[str, Any], main: dict[str, Any]) -> str:
    """Returns the named data set's key, else what the task calls its own, else a hash of it."""
    if parts.dataset is not None:
        return str(parts.dataset["key"])
    return str(config["task"].get("dataset_key") or f"sha256:{main['fingerprint']}")


def as_json(content: dict[str, Any]) -> str:
    """Returns the text of `run_manifest.json`."""
    return json.dumps(hide_in(content), indent=2, default=str) + "\n"
