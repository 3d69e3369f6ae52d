"""The task's code: how to load it again, and the hashes of its files."""

import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tenyson.errors import TaskError, TenysonError
from tenyson.files import sha256_of_file
from tenyson.manifest.hashes import sha256_of_json, sha256_of_text

HASHED_ENDINGS = frozenset(
    (".py", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".txt", ".csv", ".jinja", ".j2")
)
MOST_FILES = 500
MOST_BYTES = 64 * 2**20
"""A larger file counts by its size alone; data has a fingerprint of its own."""


def recipe_of(task: Any) -> str:
    """Returns what names the task, `module:Class` or the module of hook functions."""
    module = getattr(task, "module", None)
    if module is not None:
        return str(module.__name__)
    return f"{type(task).__module__}:{type(task).__qualname__}"


def task_facts(task: Any) -> dict[str, Any]:
    """Returns what identifies a task's code.

    `spec` loads it again (None for a class made in a notebook), `file` is where its class is,
    `files` has the hashes of that file and of those around it, `fingerprint` is one hash over all
    of them and over what the task's own `fingerprint()` says, where it has one.

    Raises:
        TaskError: `fingerprint()` raised.
    """
    module = getattr(task, "module", None) or sys.modules.get(type(task).__module__)
    file = _file_of(module)
    files = _hashes(module, file) if file else {"<source>": _hash_of_source(task)}
    own = _own_fingerprint(task)
    version = getattr(task, "version", None)
    return {
        "spec": _spec(task, module, file),
        "file": str(file) if file else None,
        "files": files,
        "own_fingerprint": own,
        "version": None if version is None or callable(version) else str(version),
        "fingerprint": sha256_of_json([files, own]),
    }


def _file_of(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file and Path(file).is_file() else None


def _spec(task: Any, module: ModuleType | None, file: Path | None) -> str | None:
    """Returns what `load_task` takes: the module if a name imports it, else its file."""
    if module is None or file is None:
        return None
    where = module.__name__ if _is_importable(module.__name__, file) else str(file)
    is_class = getattr(task, "module", None) is None
    return f"{where}:{type(task).__qualname__}" if is_class else where


def _is_importable(name: str, file: Path) -> bool:
    if "." not in name and name in sys.modules:
        # A file loaded by its path puts its own folder first on sys.path; a new process has not.
        return False
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return bool(found and found.origin and Path(found.origin).resolve() == file)


def _hashes(module: ModuleType | None, file: Path) -> dict[str, str]:
    """Returns the hash of each file, by its path relative to the task's folder."""
    folder = file.parent
    is_package = bool(getattr(module, "__package__", ""))
    found = {file, *(_files_of_package(folder) if is_package else _loaded_from(folder))}
    return {path.relative_to(folder).as_posix(): _hash(path) for path in sorted(found)}


def _files_of_package(folder: Path) -> Iterator[Path]:
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f != "__pycache__" and not f.startswith("."))
        for name in sorted(names):
            if Path(name).suffix in HASHED_ENDINGS and count < MOST_FILES:
                count += 1
                yield Path(root, name).resolve()


def _loaded_from(folder: Path) -> Iterator[Path]:
    """Yields the modules that a lone file has imported from beside it; its folder may hold more."""
    for module in list(sys.modules.values()):
        path = _file_of(module) if isinstance(module, ModuleType) else None
        if path and path.is_relative_to(folder) and "site-packages" not in path.parts:
            yield path


def _hash(path: Path) -> str:
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    return sha256_of_file(path) if size <= MOST_BYTES else f"{size} bytes"


def _hash_of_source(task: Any) -> str:
    try:
        return sha256_of_text(inspect.getsource(type(task)))
    except (OSError, TypeError):
        return "unknown"


def _own_fingerprint(task: Any) -> str | None:
    hook = getattr(task, "fingerprint", None)
    if not callable(hook):
        return None
    try:
        return str(hook())
    except TenysonError:
        raise
    except Exception as error:
        raise TaskError(f"fingerprint raised {type(error).__name__}: {error}") from error
