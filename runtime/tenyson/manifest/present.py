"""What a manifest describes, as it is on this machine now, as far as that is quick to see."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.files import sha256_of_file
from tenyson.manifest.git import git_facts
from tenyson.manifest.hardware import versions
from tenyson.manifest.hashes import weights_of_folder


def present_state(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the manifest with code, versions and weights as they are here and now.

    What only a run can tell, such as the data, stays as it is in the manifest.
    """
    now = copy.deepcopy(dict(manifest))
    now["versions"] = versions()
    _look_at_task(now)
    _look_at_weights(now)
    return now


def _look_at_task(now: dict[str, Any]) -> None:
    file = (now.get("task") or {}).get("file")
    if not file:
        return
    folder = Path(file).parent
    if folder.is_dir():
        now |= git_facts(folder)
    files = now["task"]["files"]
    now["task"]["files"] = {name: _hash(folder / name, files[name]) for name in files}


def _look_at_weights(now: dict[str, Any]) -> None:
    model, adapter = now["model"], now.get("adapter_parent")
    if "weights_sha256" in model and not model["name"].startswith("task:"):
        folder = Path(model["source"])
        found = weights_of_folder(folder)["weights_sha256"] if folder.is_dir() else "missing"
        model["weights_sha256"] = found
    further = (now.get("evaluated_adapters") or {}).values()
    for one in (*([adapter] if adapter else []), *further):
        if "://" not in one["path"]:
            one["sha256"] = _hash_of_adapter(Path(one["path"]))


def _hash_of_adapter(folder: Path) -> str:
    files = [place / File.ADAPTER_WEIGHTS for place in (folder, folder / File.FINAL_CHECKPOINT)]
    return next((sha256_of_file(file) for file in files if file.is_file()), "missing")


def _hash(path: Path, recorded: str) -> str:
    if not path.is_file():
        return "missing"
    by_size = recorded.endswith(" bytes")
    return f"{path.stat().st_size} bytes" if by_size else sha256_of_file(path)
