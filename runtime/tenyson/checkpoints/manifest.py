"""A checkpoint's manifest: size and SHA-256 of every file, written last, checked before use."""

import json
import os
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.errors import CheckpointError
from tenyson.files import sha256_of_file, sync_folder, write_atomically


def seal(folder: Path, **facts: Any) -> None:
    """Syncs every file of `folder` to disk and writes its manifest.

    Args:
        folder: Holds the checkpoint and nothing else; nobody writes to it any more.
        facts: JSON values kept in the manifest beside the files: step, run, what was trained.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != File.CHECKPOINT_MANIFEST:
            _sync_file(path)
            name = path.relative_to(folder).as_posix()
            files[name] = {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
    content = {"schema_version": 1, **facts, "files": files}
    write_atomically(folder / File.CHECKPOINT_MANIFEST, json.dumps(content, indent=1) + "\n")
    for child in sorted(folder.rglob("*")):
        if child.is_dir():
            sync_folder(child)


def read(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a checkpoint.

    Raises:
        CheckpointError: There is none, or it cannot be read: the checkpoint was never finished.
    """
    path = folder / File.CHECKPOINT_MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for name, entry in content["files"].items():
            if not (isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str)):
                raise TypeError(f"the entry of {name} has no size and hash")
        return dict(content)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder.name} has no {path.name}: it was not finished.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder.name}: its {path.name} cannot be read: {error}.") from error


def verify(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a checkpoint whose files are all what it says.

    Raises:
        CheckpointError: Names the first file that is missing or differs.
    """
    manifest = read(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder.name}: the file {name} is missing.")
        if path.stat().st_size != expected["bytes"]:
            raise CheckpointError(
                f"{folder.name}: {name} has {path.stat().st_size} bytes, "
                f"its manifest says {expected['bytes']}."
            )
        if sha256_of_file(path) != expected["sha256"]:
            raise CheckpointError(f"{folder.name}: {name} is not what its manifest says (SHA-256).")
    return manifest


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
