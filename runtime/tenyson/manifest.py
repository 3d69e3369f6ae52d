"""`run_manifest.json`: what a run was made of, written before it trains.

The document's fields come first, under its names; what makes a run repeatable follows.
"""

import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tenyson.contract import File
from tenyson.files import sha256_of_file, write_atomically

LIBRARIES = ("tenyson", "torch", "transformers", "trl", "peft", "datasets", "accelerate")
HASHED_MODEL_BYTES = 4 * 2**30
"""Weights up to this size are hashed by content, larger ones by name and size."""


def write_manifest(
    folder: Path,
    *,
    run_id: str,
    attempt: int,
    job_type: str,
    config: dict[str, Any],
    recipe: str,
    datasets: dict[str, dict[str, Any]],
    model: dict[str, Any],
    adapter_parent: dict[str, Any] | None,
    resumed_from_step: int,
    ranks: int,
    command: tuple[str, ...],
    engine: dict[str, Any] | None = None,
    notes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the manifest into the output folder and returns it.

    Args:
        folder: The run's output folder.
        run_id: The run.
        attempt: This try at it.
        job_type: `sft`, `rl` or `eval`.
        config: The resolved configuration; a database password in it is left out.
        recipe: The task, `module:Class`.
        datasets: By role (`train`, `eval`): `rows`, `columns`, `fingerprint`.
        model: `name`, `revision`, `source` and what identifies the weights.
        adapter_parent: `path` and `sha256` of the adapter started from; None for a new one.
        resumed_from_step: Step of the checkpoint that this attempt goes on from.
        ranks: Processes that train together.
        command: The command line; empty for a run from Python.
        engine: What samples or generates, and `why`; None in SFT.
        notes: What the job found out before it trained, each under a name of its own.
    """
    config = without_secrets(config)
    training = config["training"]
    main = next(iter(datasets.values()))
    content = {
        "run_id": run_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "dataset_key": config["task"].get("dataset_key") or f"sha256:{main['fingerprint']}",
        "training_config": {
            "model": config["model"]["name"],
            "learning_rate": training["learning_rate"],
            "steps": training["max_steps"],
            "batch_size": training["per_device_train_batch_size"],
        },
        "recipe": recipe,
        "seed": config["evaluation"]["seed"] if job_type == "eval" else training["seed"],
        "git_sha": _git("rev-parse", "HEAD"),
        "artifacts_path": str(folder),
        "schema_version": 1,
        "job_type": job_type,
        "attempt": attempt,
        "resumed_from_step": resumed_from_step,
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "ranks": ranks,
        "effective_batch_size": ranks
        * training["per_device_train_batch_size"]
        * training["gradient_accumulation_steps"],
        "datasets": datasets,
        "model": model,
        "engine": engine,
        "adapter_parent": adapter_parent,
        "config": config,
        "config_sha256": sha256_of_json(config),
        "versions": _versions(),
        "hardware": _hardware(),
        "command": list(command),
        **(notes or {}),
    }
    write_atomically(folder / File.MANIFEST, json.dumps(content, indent=2, default=str) + "\n")
    return content


def recipe_of(task: Any) -> str:
    """Returns what names the task, `module:Class` or the module of hook functions."""
    module = getattr(task, "module", None)
    if module is not None:
        return str(module.__name__)
    return f"{type(task).__module__}:{type(task).__qualname__}"


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the configuration with the database URL's password replaced by `***`."""
    url = config["telemetry"]["db_url"]
    if not url:
        return config
    return {**config, "telemetry": {**config["telemetry"], "db_url": hide_password(url)}}


def hide_password(url: str) -> str:
    """Returns the URL with its password, and any in its query, replaced by `***`."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    user = credentials.partition(":")[0]
    netloc = f"{user}:***@{host}" if ":" in credentials else f"{credentials}{at}{host}"
    query = "***" if "password" in parts.query.lower() else parts.query
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def sha256_of_json(content: Any) -> str:
    """Returns a hash that does not depend on the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def weights_of_folder(folder: Path) -> dict[str, Any]:
    """Returns what identifies the weights in a folder: a hash, and what it covers."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin"))
    by_content = sum(path.stat().st_size for path in files) <= HASHED_MODEL_BYTES
    listing = [
        (path.name, sha256_of_file(path) if by_content else path.stat().st_size) for path in files
    ]
    covers = "content" if by_content else "names and sizes"
    return {"weights_sha256": sha256_of_json(listing), "weights_hash_covers": covers}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _hardware() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "cpus": os.cpu_count(), "gpus": gpus}


def _git(*arguments: str) -> str | None:
    """Returns what git says about the current folder; None outside a repository or without git."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
