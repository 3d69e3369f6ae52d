"""Files written whole or not at all, and locks that hold between processes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Put the content in place by a rename, so that no reader sees half of it."""
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
    beside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Put the value in place as JSON, readable by the owner only."""
    write_atomically(path, json.dumps(value))


def read_json(path: Path) -> Any | None:
    """The value of a JSON file, or None where there is no file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file; whoever comes second waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder, filled unless it is there; who comes meanwhile waits, and finds it whole.

    Args:
        folder: what is wanted.
        fill: puts everything into the empty folder that it is given; it is moved to its place.
    """
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.making-", dir=folder.parent))
            try:
                fill(aside)
                aside.chmod(0o755)
                aside.rename(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return folder
