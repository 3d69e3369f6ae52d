"""From a manifest to the configuration, the arguments and the environment of the same run again."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenyson.contract import Env
from tenyson.errors import TaskLoadError
from tenyson.manifest.secret import HIDDEN, is_hidden

KEPT_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED")
"""With another number of threads, sums are taken in another order and the last bits differ.
PYTHONHASHSEED holds for processes that the repetition starts: its own has started already."""
UNSET_VARIABLES = (Env.RUN_ID, Env.ATTEMPT, Env.OUTPUT_DIR, Env.OUTPUT_URI, Env.HUB_REPO)
"""What belongs to another run: a repetition uploads and pushes nothing."""


@dataclass(frozen=True)
class Repetition:
    """A run again: what to give to the runner."""

    job_type: str
    task_spec: str
    folder: Path
    config: dict[str, Any]
    notes: tuple[str, ...] = ()
    """What is not as it was, and why that changes no result."""
    variables: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = UNSET_VARIABLES

    def arguments(self, config_file: Path) -> list[str]:
        """Returns the runner's arguments."""
        return [
            *("--job-type", self.job_type, "--config", str(config_file)),
            *("--task-module", self.task_spec, "--output-dir", str(self.folder)),
        ]

    def environment(self, original: Path, *, force: bool) -> dict[str, str]:
        """Returns the variables to set, which let the run compare itself with the original."""
        force_it = {Env.REPLAY_FORCE: "1"} if force else {}
        return {**self.variables, Env.REPLAY_OF: str(original), **force_it}


def repetition_of(
    manifest: Mapping[str, Any], folder: Path, *, task_spec: str | None = None
) -> Repetition:
    """Returns the run that a manifest describes, to be run again into a folder of its own.

    Args:
        manifest: Its content.
        folder: Output folder of the repetition.
        task_spec: Loads the task, where the manifest's own does not.

    Raises:
        TaskLoadError: Neither tells how to load the task.
    """
    spec = task_spec or (manifest.get("task") or {}).get("spec")
    if not spec:
        raise TaskLoadError(
            f"The manifest does not say how to load the task {manifest.get('recipe')!r}: its "
            "class was made in a notebook, or the run is of an older version.",
            hint="Name it with --task-module, module.path:ClassName or file.py:ClassName.",
        )
    config, notes = _config(manifest)
    recorded = manifest.get("environment") or {}
    variables = {name: recorded[name] for name in KEPT_VARIABLES if name in recorded}
    if adapter := manifest.get("adapter_parent"):
        variables[Env.ADAPTER_PATH] = adapter["path"]
        variables[Env.ADAPTER_SHA256] = adapter["sha256"]
    if (ranks := manifest.get("ranks", 1)) > 1:
        variables["PET_NPROC_PER_NODE"] = str(ranks)
    return Repetition(manifest["job_type"], spec, folder, config, tuple(notes), variables)


def _config(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Returns the configuration to run with, and what was changed in it."""
    config, notes = copy.deepcopy(dict(manifest["config"])), []
    url = config["telemetry"]["db_url"]
    if url and HIDDEN in url:
        config["telemetry"]["db_url"] = None
        notes.append(f"telemetry.db_url had a password: rows go to ${Env.TELEMETRY_DB_URL}, if set")
    if config["checkpoint"]["resume"] != "auto":
        config["checkpoint"]["resume"] = "auto"
        notes.append("checkpoint.resume is auto: a new folder starts from the beginning")
    if (dataset := manifest.get("dataset")) and dataset["store"] != config["data"]["dataset_store"]:
        config["data"]["dataset_store"] = dataset["store"]
        notes.append("data.dataset_store is the whole path, from whichever folder this is run")
    model = manifest["model"]
    name = config["model"]["name"]
    if "weights_sha256" in model and not name.startswith(("/", "task:")):
        config["model"]["name"] = model["source"]
        notes.append("model.name is the whole path, from whichever folder this is run")
    for path in _leave_out_secrets(config):
        notes.append(f"{path} held a secret, which is not recorded: it is left out")
    for name, facts in (manifest.get("evaluated_adapters") or {}).items():
        if facts["path"] != config["evaluation"]["adapters"][name]:
            config["evaluation"]["adapters"][name] = facts["path"]
            notes.append(f"evaluation.adapters.{name} is the whole path")
    if (commit := model.get("revision")) and commit != config["model"]["revision"]:
        config["model"]["revision"] = commit
        notes.append(f"model.revision is the commit that it was then, {commit[:12]}")
    return config, notes


def _leave_out_secrets(part: dict[str, Any], above: str = "") -> Iterator[str]:
    """Sets what was hidden in a configuration to None, and yields the path of each."""
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _leave_out_secrets(value, f"{above}{name}.")
        elif isinstance(value, str) and is_hidden(value):
            part[name] = None
            yield f"{above}{name}"
