"""A copy of a run's output folder behind a URI (`s3://`, `gs://`, `file://`), by fsspec.

A folder's manifest goes up last: where it is, the rest is too.
"""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.errors import CredentialsError, DependencyError, TenysonError

LOG = logging.getLogger("tenyson.checkpoints")
TRIES = 3


class Mirror:
    """The output folder of one run, behind a URI."""

    def __init__(self, uri: str, *, pause_seconds: float = 1.0) -> None:
        self.uri = uri.rstrip("/")
        self._pause_seconds = pause_seconds
        self._files, root = _open(self.uri)
        self._root = str(root).rstrip("/")

    def upload_folder(self, folder: Path) -> None:
        """Copies a sealed folder up, its manifest last.

        Raises:
            DependencyError: The storage did not take it, three times over.
        """
        manifest = f"{self._root}/{folder.name}/{File.CHECKPOINT_MANIFEST}"
        if self._try(lambda: self._files.exists(manifest)):  # of an older one by this name
            self._try(lambda: self._files.rm(manifest))
        paths = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        paths.sort(key=lambda p: p.name == File.CHECKPOINT_MANIFEST)
        for path in paths:
            self._put(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")

    def upload_file(self, path: Path) -> None:
        """Copies a file of the output folder up; one that does not exist is left out."""
        if path.is_file():
            self._put(path, path.name)

    def finished_folders(self) -> list[str]:
        """Returns the names of the folders whose manifest has arrived."""
        found = self._try(lambda: self._files.glob(f"{self._root}/*/{File.CHECKPOINT_MANIFEST}"))
        return sorted(str(path).split("/")[-2] for path in found)

    def fetch(self, name: str, target: Path) -> None:
        """Copies the file or folder `name` down to `target`, which must not exist."""
        remote = f"{self._root}/{name}" if name else self._root
        if not self._try(lambda: self._files.isdir(remote)):
            self._get(remote, target)
            return
        for found in self._try(lambda: self._files.find(remote)):
            relative = str(found).removeprefix(remote).lstrip("/")
            self._get(str(found), target / relative)

    def exists(self, name: str) -> bool:
        """Whether the file or folder is there."""
        return bool(self._try(lambda: self._files.exists(f"{self._root}/{name}")))

    def remove(self, name: str) -> None:
        """Deletes a folder, its manifest first, so that no half of it passes for whole."""
        folder = f"{self._root}/{name}"
        manifest = f"{folder}/{File.CHECKPOINT_MANIFEST}"
        if self._try(lambda: self._files.exists(manifest)):
            self._try(lambda: self._files.rm(manifest))
        self._try(lambda: self._files.rm(folder, recursive=True))

    def _put(self, path: Path, name: str) -> None:
        remote = f"{self._root}/{name}"
        self._try(lambda: self._files.makedirs(remote.rsplit("/", 1)[0], exist_ok=True))
        self._try(lambda: self._files.put_file(str(path), remote))

    def _get(self, remote: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._try(lambda: self._files.get_file(remote, str(target)))

    def _try(self, action: Callable[[], Any]) -> Any:
        for remaining in reversed(range(TRIES)):
            try:
                return action()
            except Exception as error:  # each storage's library raises classes of its own
                if not remaining or _is_refusal(error):
                    raise _trouble(self.uri, error) from error
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
    if target.exists():
        shutil.rmtree(target)
    mirror.fetch("", target)
    return target


def _is_refusal(error: Exception) -> bool:
    """Whether there are no credentials, or none that do; trying again would not help."""
    named = type(error).__name__.startswith(("NoCredentials", "PermissionError"))
    return isinstance(error, PermissionError) or named


def _trouble(uri: str, error: Exception) -> TenysonError:
    if _is_refusal(error):
        return CredentialsError(
            f"{uri} refused the credentials: {error}.",
            hint="Give the run a key that may read and write there.",
        )
    return DependencyError(
        f"{uri} cannot be used: {type(error).__name__}: {error}.",
        hint="Check the URI and that the storage can be reached.",
    )


def _open(uri: str) -> tuple[Any, str]:
    try:
        import fsspec.core

        files, root = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        raise DependencyError(
            f"{uri} needs a library that is not installed: {error}.",
            hint="s3:// needs s3fs, gs:// needs gcsfs: pip install it in the runner's image.",
        ) from error
    except ValueError as error:
        raise DependencyError(f"{uri} is no URI that fsspec knows: {error}.") from error
    except Exception as error:  # some storages look for credentials here
        raise _trouble(uri, error) from error
    return files, root
