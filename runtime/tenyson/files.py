"""Writing files so that a crash leaves the old content or the new, never half of it."""

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path


def write_atomically(
    path: Path, content: str | bytes, *, before_rename: Callable[[], None] | None = None
) -> None:
    """Writes `content` aside, syncs it to disk and renames it over `path`; makes the folder.

    Args:
        path: The file.
        content: Text goes out as UTF-8.
        before_rename: Called when only the rename is left; the file stays as it was if it raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process id: pods that share a volume all have the same.
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(aside, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if before_rename is not None:
            before_rename()
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Returns the file's SHA-256 in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
