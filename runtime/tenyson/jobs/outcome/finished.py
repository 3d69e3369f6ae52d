"""A run whose training is over: what its last attempt sealed, and what is left to do after it.

An attempt may end between `checkpoint-final` and its result: killed, or because the Hub was away.
The next one then finds the training done, and only does the rest.
"""

import logging
from pathlib import Path
from typing import Any

from tenyson.checkpoints.final import find_final
from tenyson.checkpoints.layout import attempt_folder
from tenyson.contract import File
from tenyson.files import sha256_of_file
from tenyson.jobs.context import RunContext
from tenyson.jobs.result import JobResult
from tenyson.manifest import sha256_of_json, without_secrets

LOG = logging.getLogger("tenyson.jobs")


def finished_facts(context: RunContext) -> dict[str, Any]:
    """Returns what the manifest of `checkpoint-final` says beside what every checkpoint's does."""
    return {
        "step": context.result.global_step,
        "config_sha256": _config_hash(context),
        "metrics": dict(context.result.metrics),
        "is_complete": context.budget_spent is None,
    }


def restore_finished(context: RunContext) -> bool:
    """Whether an earlier attempt of this run has trained to the end; then its outcome is ours."""
    found = find_final(context.fence, context.mirror)
    if found is None:
        return False
    folder, facts = found
    if not facts.get("is_complete", True):
        return False  # its budget was used up; there may be more of it now
    if facts.get("run_id") != context.result.run_id:
        return False
    if facts.get("config_sha256") != _config_hash(context):
        LOG.info(
            "%s is of attempt %s, which trained to the end (step %s) with another configuration; "
            "it is replaced once this attempt has trained to its end",
            *(folder.name, facts["attempt"], facts["step"]),
        )
        return False
    if context.config.checkpoint.resume == "never" and _has_succeeded(context):
        return False  # all of it was done, and it is to be done once more
    LOG.info("Attempt %s has trained to the end (step %s)", facts["attempt"], facts["step"])
    for name in (File.MANIFEST, File.METRICS):
        _fetch_missing(context, name)
    result = context.result
    result.global_step = result.resumed_from_step = facts["step"]
    result.metrics = dict(facts["metrics"])
    result.adapter_sha256 = facts["files"].get(File.ADAPTER_WEIGHTS, {}).get("sha256")
    result.artifacts = list_artifacts(folder.parent, result.adapter_sha256)
    if (manifest := context.output_dir / File.MANIFEST).is_file():
        root = context.mirror.uri if context.mirror else None
        result.manifest_uri = f"{root}/{File.MANIFEST}" if root else str(manifest)
    return True


def list_artifacts(folder: Path, adapter_sha256: str | None) -> list[dict[str, Any]]:
    """Returns the files that a finished training leaves, as a JobResult lists them."""
    final = folder / File.FINAL_CHECKPOINT
    size = sum(path.stat().st_size for path in final.rglob("*") if path.is_file())
    kind = "adapter" if adapter_sha256 else "model"
    artifacts = [{"kind": kind, "path": final.name, "bytes": size, "sha256": adapter_sha256}]
    for name in (File.METRICS, File.MANIFEST):
        path = folder / name
        if path.is_file():
            artifacts.append(
                {
                    "kind": path.stem,
                    "path": name,
                    "bytes": path.stat().st_size,
                    "sha256": sha256_of_file(path),
                }
            )
    return artifacts


def _config_hash(context: RunContext) -> str:
    return sha256_of_json(without_secrets(context.plain_config))


def _has_succeeded(context: RunContext) -> bool:
    """Whether an earlier attempt left a result that says so; each keeps its own."""
    for attempt in range(context.fence.attempt):
        path = context.output_dir / attempt_folder(attempt) / File.JOB_RESULT
        if path.is_file() and JobResult.load(path).succeeded:
            return True
    return False


def _fetch_missing(context: RunContext, name: str) -> None:
    path, mirror = context.output_dir / name, context.mirror
    if mirror is not None and not path.exists() and mirror.exists(name):
        mirror.fetch(name, path)
