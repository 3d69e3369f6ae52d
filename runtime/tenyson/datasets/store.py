"""Where data sets lie: `<store>/<name>-<version>/{manifest.json,data.jsonl}`, never written twice.

A folder is written aside and renamed; behind a URI the rows go up first and the manifest last, each
only where nothing is there yet. So of two builds of one version one wins, and a data set without a
manifest is none.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tenyson.contract import Env
from tenyson.datasets.errors import DatasetRequestError, saying_where
from tenyson.datasets.leftovers import sweep
from tenyson.datasets.manifest import DATA_FILE, MANIFEST_FILE
from tenyson.files import sha256_of_file, sync_folder
from tenyson.storage import open_storage, storage_trouble

DEFAULT_STORE = "artifacts/datasets"
_T = TypeVar("_T")


class DatasetStore(ABC):
    """Holds data sets by their keys."""

    url: str
    """As messages and manifests name it; a local one is a whole path."""

    @abstractmethod
    def list_keys(self) -> list[str]:
        """Returns the keys of the data sets, sorted."""

    @abstractmethod
    def manifest_text(self, key: str) -> bytes | None:
        """Returns what the manifest's file holds; None where there is no such data set."""

    @abstractmethod
    def publish(self, key: str, folder: Path) -> bool:
        """Puts a folder of the two files in its place; False where another one is there."""

    @abstractmethod
    def data_file(self, key: str, sha256: str) -> Path:
        """Returns a local file with the rows; the caller checks its hash.

        Args:
            key: Of the data set.
            sha256: What the manifest says; a copy with this hash in the cache is taken.

        Raises:
            FileNotFoundError: The data set has no rows' file.
        """

    def place(self, key: str, file: str = "") -> str:
        """Returns how messages name the data set's folder, or a file in it."""
        return "/".join(part for part in (self.url.rstrip("/"), key, file) if part)

    def staging_parent(self) -> Path | None:
        """Returns the folder in which a build is made; None leaves it to the system."""
        return None


def open_store(url: str | os.PathLike[str] | None = None) -> DatasetStore:
    """Returns the store at a folder or URI.

    Args:
        url: None takes TENYSON_DATASETS, and `artifacts/datasets` below the current folder where
            that is not set.

    Raises:
        DependencyError: The URI cannot be used.
    """
    named = os.fspath(url) if url else os.environ.get(Env.DATASETS) or DEFAULT_STORE
    if named.startswith("file://"):
        named = named.removeprefix("file://")
    return RemoteStore(named) if "://" in named else LocalStore(Path(named).expanduser().resolve())


class LocalStore(DatasetStore):
    """A folder of this machine, or of a volume."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, str(folder)

    def list_keys(self) -> list[str]:
        """Returns the keys of the data sets, sorted."""
        found = self.folder.glob(f"*/{MANIFEST_FILE}")
        return sorted(p.parent.name for p in found if not p.parent.name.startswith("."))

    def manifest_text(self, key: str) -> bytes | None:
        """Returns what the manifest's file holds; None where there is no such data set."""
        path = self.folder / key / MANIFEST_FILE
        with saying_where(str(path)):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def publish(self, key: str, folder: Path) -> bool:
        """Renames the folder to its key, its files synced and read-only."""
        for path in (folder / DATA_FILE, folder / MANIFEST_FILE):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            path.chmod(0o444)
        sync_folder(folder)
        folder.chmod(0o755)
        try:
            folder.rename(self.folder / key)
        except OSError:
            if not (self.folder / key).exists():
                raise
            return False
        sync_folder(self.folder)
        return True

    def data_file(self, key: str, sha256: str) -> Path:
        """Returns the file itself."""
        path = self.folder / key / DATA_FILE
        if not path.is_file():
            raise FileNotFoundError(path)
        return path

    def staging_parent(self) -> Path:
        """Returns the store's folder, made if missing: a rename stays within one file system.

        What builds that were killed have left there is swept first.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)
        except OSError as error:
            raise DatasetRequestError(
                f"The store {self.folder} cannot be made: {error.strerror}.",
                hint=f"Name another with --store or {Env.DATASETS}.",
            ) from error
        return self.folder


class RemoteStore(DatasetStore):
    """A bucket, or whatever else fsspec knows."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, root = open_storage(self.url)
        self._root = root.rstrip("/")

    def list_keys(self) -> list[str]:
        """Returns the keys of the data sets, sorted."""
        found = self._try(lambda: self._files.glob(f"{self._root}/*/{MANIFEST_FILE}"))
        return sorted(str(path).rsplit("/", 2)[-2] for path in found)

    def manifest_text(self, key: str) -> bytes | None:
        """Returns what the manifest's file holds; None where there is no such data set."""
        return self._try(lambda: self._content(self._path(key, MANIFEST_FILE)))

    def publish(self, key: str, folder: Path) -> bool:
        """Copies the rows up, then the manifest.

        Where equal rows are there already, left by a build that was cut off before its manifest,
        they are taken as they are.
        """
        if not self._create(folder / DATA_FILE, self._path(key, DATA_FILE)):
            own = sha256_of_file(folder / DATA_FILE)
            if self._sha256(self._path(key, DATA_FILE)) != own:
                return False
        return self._create(folder / MANIFEST_FILE, self._path(key, MANIFEST_FILE))

    def data_file(self, key: str, sha256: str) -> Path:
        """Returns the copy in the cache, fetched where there is none with this hash."""
        cached = cache_folder() / "datasets" / f"{sha256}.jsonl"
        if cached.is_file() and sha256_of_file(cached) == sha256:
            return cached
        remote = self._path(key, DATA_FILE)
        if not self._try(lambda: self._files.exists(remote)):
            raise FileNotFoundError(remote)
        cached.parent.mkdir(parents=True, exist_ok=True)
        aside = cached.with_name(f".{cached.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        try:
            self._try(lambda: self._files.get_file(remote, str(aside)))
            if sha256_of_file(aside) != sha256:  # is told by the caller; nothing to be cached
                shutil.move(aside, damaged := cached.with_suffix(".damaged"))
                return damaged
            os.replace(aside, cached)
        finally:
            aside.unlink(missing_ok=True)
        return cached

    def _create(self, source: Path, remote: str) -> bool:
        """Copies a file up where there is none; False where there is one."""
        if self._try(lambda: self._files.exists(remote)):
            return False
        parent = remote.rsplit("/", 1)[0]
        try:
            if not _is_object_store(self._files):  # those have no folders
                self._files.makedirs(parent, exist_ok=True)
            self._files.put_file(str(source), remote, mode="create")
        except Exception as error:  # each storage's library raises classes of its own
            if self._try(lambda: self._files.exists(remote)):
                return False  # somebody else's came between
            raise storage_trouble(self.url, error) from error
        return True

    def _sha256(self, remote: str) -> str:
        import hashlib

        def read() -> str:
            with self._files.open(remote, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return self._try(read)

    def _content(self, remote: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(remote))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _path(self, key: str, file: str) -> str:
        return f"{self._root}/{key}/{file}"

    def _try(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except Exception as error:  # each storage's library raises classes of its own
            raise storage_trouble(self.url, error) from error


def cache_folder() -> Path:
    """Returns where copies of what lies elsewhere are kept: TENYSON_CACHE_DIR, else XDG's."""
    if named := os.environ.get(Env.CACHE_DIR):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenyson"


def _is_object_store(files: Any) -> bool:
    named = (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
    return bool({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}.intersection(named))
