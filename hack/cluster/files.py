"""Files written whole or not at all, and locks that hold between processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
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
