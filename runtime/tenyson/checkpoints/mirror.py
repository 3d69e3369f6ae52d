"""A copy of a run's output folder behind a URI (`s3://`, `gs://`, `file://`), by fsspec.

A folder's manifest goes up last: where it is, the rest is too. Names are relative to the output
folder, with `/` between their parts.
"""

import logging
import shutil
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tenyson.checkpoints import manifest
from tenyson.checkpoints.layout import attempt_folder, attempt_of_folder
from tenyson.contract import File
from tenyson.errors import CheckpointError, DependencyError
from tenyson.storage import is_refusal, open_storage, storage_trouble

LOG = logging.getLogger("tenyson.checkpoints")
TRIES = 3
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})


class Mirror:
    """The output folder of one run, behind a URI."""

    def __init__(self, uri: str, *, pause_seconds: float = 1.0) -> None:
        self.uri = uri.rstrip("/")
        self.guard: Callable[[], None] = _allow
        """Called before every file that goes up and everything that is removed; may raise."""
        self._pause_seconds = pause_seconds
        self._files, root = open_storage(self.uri)
        self._root = root.rstrip("/")

    def upload_folder(self, folder: Path, name: str = "") -> None:
        """Copies a sealed folder up, its manifest last.

        Args:
            folder: The folder.
            name: What it is called in the mirror; empty for its own name.

        Raises:
            DependencyError: The storage did not take it, three times over.
        """
        name = name or folder.name
        self._remove_manifest(name)  # of an older one by this name
        paths = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        for path in sorted(paths, key=lambda p: p.name == File.CHECKPOINT_MANIFEST):
            self._put(path, f"{name}/{path.relative_to(folder).as_posix()}")

    def copy_folder(self, source: str, target: str) -> None:
        """Copies a folder within the mirror, its manifest last; object stores do it themselves."""
        self._remove_manifest(target)
        paths = [f"{self._root}/{source}/{name}" for name in self._files_in(source)]
        for path in sorted(paths, key=lambda p: p.endswith(f"/{File.CHECKPOINT_MANIFEST}")):
            remote = f"{self._root}/{target}/{path.removeprefix(f'{self._root}/{source}/')}"
            self.guard()
            self._make_folder(remote)
            self._try(partial(self._files.copy, path, remote))

    def upload_file(self, path: Path, name: str = "") -> None:
        """Copies a file up, by its own name or another; one that does not exist is left out."""
        if path.is_file():
            self._put(path, name or path.name)

    def finished_folders(self) -> list[str]:
        """Returns the folders, in the root and one below, whose manifest has arrived."""
        self._files.invalidate_cache()  # others write here, too
        found: list[str] = []
        for pattern in (f"*/{File.CHECKPOINT_MANIFEST}", f"*/*/{File.CHECKPOINT_MANIFEST}"):
            found += self._try(partial(self._files.glob, f"{self._root}/{pattern}"))
        names = (str(path).removeprefix(f"{self._root}/").rpartition("/")[0] for path in found)
        return sorted(names)

    def attempts_with(self, name: str) -> list[int]:
        """Returns the attempts that have a finished folder of this name."""
        parts = [found.split("/") for found in self.finished_folders()]
        numbers = [attempt_of_folder(part[0]) for part in parts if part[1:] == [name]]
        return [number for number in numbers if number is not None]

    def fetch(self, name: str, target: Path) -> None:
        """Copies the file or folder `name` down to `target`, which must not exist."""
        remote = f"{self._root}/{name}" if name else self._root
        if not self._try(lambda: self._files.isdir(remote)):
            self._get(remote, target)
            return
        for relative in self._files_in(name):
            self._get(f"{remote}/{relative}", target / relative)

    def exists(self, name: str) -> bool:
        """Whether the file or folder is there."""
        return bool(self._try(lambda: self._files.exists(f"{self._root}/{name}")))

    def read_text(self, name: str) -> str | None:
        """Returns the content of a small file; None where there is none."""

        def read() -> str | None:
            try:
                return bytes(self._files.cat_file(f"{self._root}/{name}")).decode()
            except (FileNotFoundError, NotADirectoryError):
                return None

        found: str | None = self._try(read)
        return found

    def write_text(self, name: str, content: str) -> None:
        """Writes a small file whole; asks no guard."""
        remote = f"{self._root}/{name}"
        self._make_folder(remote)
        if "file" not in _protocols(self._files):  # an object appears whole, or not at all
            self._try(lambda: self._files.pipe_file(remote, content.encode()))
            return
        aside = f"{self._root}/.{name}.{uuid.uuid4().hex[:8]}.tmp"
        self._try(lambda: self._files.pipe_file(aside, content.encode()))
        self._try(lambda: self._files.mv(aside, remote))

    def remove(self, name: str) -> None:
        """Deletes a folder, its manifest first, so that no half of it passes for whole."""
        self._remove_manifest(name)
        self.guard()
        self._try(lambda: self._files.rm(f"{self._root}/{name}", recursive=True))

    def _remove_manifest(self, name: str) -> None:
        manifest_file = f"{self._root}/{name}/{File.CHECKPOINT_MANIFEST}"
        if self._try(lambda: self._files.exists(manifest_file)):
            self.guard()
            self._try(lambda: self._files.rm(manifest_file))

    def _files_in(self, name: str) -> list[str]:
        folder = f"{self._root}/{name}" if name else self._root
        found = self._try(lambda: self._files.find(folder))
        return [str(path).removeprefix(folder).lstrip("/") for path in found]

    def _put(self, path: Path, name: str) -> None:
        remote = f"{self._root}/{name}"
        self.guard()
        self._make_folder(remote)
        self._try(lambda: self._files.put_file(str(path), remote))

    def _make_folder(self, remote: str) -> None:
        if _OBJECT_STORES.intersection(_protocols(self._files)):
            return  # they have none; asked for one, they make a bucket of a misspelled name
        self._try(lambda: self._files.makedirs(remote.rsplit("/", 1)[0], exist_ok=True))

    def _get(self, remote: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._try(lambda: self._files.get_file(remote, str(target)))

    def _try(self, action: Callable[[], Any]) -> Any:
        for remaining in reversed(range(TRIES)):
            try:
                return action()
            except Exception as error:  # each storage's library raises classes of its own
                if not remaining or is_refusal(error):
                    raise storage_trouble(self.uri, error) from error
                LOG.info("%s: %s; trying again", self.uri, error)
                time.sleep(self._pause_seconds)
        raise AssertionError("unreachable")


def fetch_folder(uri: str, target: Path) -> Path:
    """Returns `target`, holding a copy of the folder behind the URI.

    Raises:
        DependencyError: There is no such folder, or the storage cannot be reached.
        CredentialsError: The storage refuses the credentials.
    """
    mirror = Mirror(uri)
    if not mirror.exists(""):
        raise DependencyError(f"There is nothing at {uri}.", hint="Check the URI.")
    _fetch_anew(mirror, "", target)
    if mirror.uri.endswith(f"/{File.FINAL_CHECKPOINT}") and not _is_whole(target):
        _fetch_an_attempts_own(Mirror(mirror.uri.rpartition("/")[0]), target)
    return target


def _fetch_an_attempts_own(run: Mirror, target: Path) -> None:
    """Replaces a damaged copy of `checkpoint-final` by what the newest attempt wrote of it."""
    for attempt in sorted(run.attempts_with(File.FINAL_CHECKPOINT), reverse=True):
        name = f"{attempt_folder(attempt)}/{File.FINAL_CHECKPOINT}"
        LOG.warning("%s/%s is damaged; taking %s", run.uri, File.FINAL_CHECKPOINT, name)
        _fetch_anew(run, name, target)
        if _is_whole(target):
            return


def _fetch_anew(mirror: Mirror, name: str, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    mirror.fetch(name, target)


def _is_whole(folder: Path) -> bool:
    """Whether the folder is what its manifest says; one without a manifest is somebody else's."""
    try:
        return not (folder / File.CHECKPOINT_MANIFEST).is_file() or bool(manifest.verify(folder))
    except CheckpointError:
        return False


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _allow() -> None:
    """The guard of a mirror that one attempt alone writes to."""
