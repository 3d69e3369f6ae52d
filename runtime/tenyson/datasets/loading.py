"""A data set that was built, found by its key and verified before a row of it is read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenyson.datasets.errors import DatasetError, DatasetNotFoundError
from tenyson.datasets.keys import DatasetKey
from tenyson.datasets.manifest import DATA_FILE, MANIFEST_FILE, DatasetManifest, parse_manifest
from tenyson.datasets.rows import parse_row
from tenyson.datasets.sources.files import lines_of
from tenyson.datasets.store import DatasetStore, open_store
from tenyson.files import sha256_of_file
from tenyson.near_names import near_names

if TYPE_CHECKING:
    from datasets import Dataset

StoreName = str | os.PathLike[str] | None


@dataclass(frozen=True)
class NamedDataset:
    """A data set whose rows have the hash that its manifest says."""

    manifest: DatasetManifest
    store: str
    """Where it lies: a whole path, or a URI."""
    data_file: Path

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields the rows in their order."""
        return (row for _, row in self.placed_rows())

    def placed_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the rows, each with its place for messages."""
        with self.data_file.open("rb") as file:
            for place, line in lines_of(file, f"{self.manifest.key}/{DATA_FILE}"):
                yield place, parse_row(line, place)


def open_dataset(key: str, store: StoreName = None) -> NamedDataset:
    """Returns the data set of a key, verified.

    Args:
        key: `NAME-VERSION`.
        store: Folder or URI; None takes TENYSON_DATASETS, else `artifacts/datasets`.

    Raises:
        DatasetNotFoundError: There is none; names those like it.
        DatasetError: Its files are not as they were written; names the file.
    """
    opened = open_store(store)
    manifest = read_manifest(opened, key)
    return NamedDataset(manifest, opened.url, _verified_data(opened, manifest))


def load_dataset(key: str, store: StoreName = None) -> "Dataset":
    """Returns the rows of a data set, verified, as a `datasets.Dataset`.

    Raises:
        DatasetNotFoundError: There is none of that key.
        DatasetError: Its files are damaged, or a field holds values of several kinds.
    """
    from tenyson.datasets._arrow import as_dataset

    return as_dataset(open_dataset(key, store))


def list_datasets(store: StoreName = None) -> list[DatasetManifest]:
    """Returns the manifests of a store's data sets, sorted by key; their rows are not read."""
    opened = open_store(store)
    return [read_manifest(opened, key) for key in opened.list_keys()]


def verify_dataset(key: str, store: StoreName = None) -> DatasetManifest:
    """Returns the manifest of a data set whose every row was read and counted.

    Raises:
        DatasetNotFoundError: There is none of that key.
        DatasetError: Its files are not as they were written; names the file.
    """
    dataset = open_dataset(key, store)
    counted = sum(1 for _ in dataset.rows())
    if counted != dataset.manifest.rows:
        raise DatasetError(
            f"{dataset.store}/{key}/{DATA_FILE} has {counted} rows, the manifest says "
            f"{dataset.manifest.rows}."
        )
    return dataset.manifest


def read_manifest(store: DatasetStore, key: str) -> DatasetManifest:
    """Returns the manifest of a data set.

    Raises:
        DatasetNotFoundError: There is none of that key; names those like it.
        DatasetError: The manifest is not as it was written.
    """
    text = store.manifest_text(str(DatasetKey.parse(key)))
    if text is None:
        known = store.list_keys()
        near = near_names(key, known)
        raise DatasetNotFoundError(
            f"There is no data set {key!r} in {store.url}. {near}".strip(),
            hint=f"It has {', '.join(known[:8])}{' …' if len(known) > 8 else ''}."
            if known
            else "The store is empty. Build one with: tenyson dataset build; or name another "
            "store with --store, data.dataset_store or TENYSON_DATASETS.",
        )
    manifest = parse_manifest(text, store.place(key, MANIFEST_FILE))
    if manifest.key != key:
        raise DatasetError(f"{store.place(key, MANIFEST_FILE)} is the manifest of {manifest.key}.")
    return manifest


def _verified_data(store: DatasetStore, manifest: DatasetManifest) -> Path:
    place = store.place(manifest.key, DATA_FILE)
    try:
        path = store.data_file(manifest.key, manifest.sha256)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{place} is missing; its manifest is there.",
            hint="Bring the file back, or build a new version.",
        ) from error
    found = sha256_of_file(path)
    if found != manifest.sha256:
        raise DatasetError(
            f"{place} is not as it was built: its sha256 is {found[:12]}…, the manifest says "
            f"{manifest.sha256[:12]}….",
            hint="A data set does not change: bring the file back, or build a new version.",
        )
    return path
