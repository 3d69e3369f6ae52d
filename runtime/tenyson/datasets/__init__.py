"""Data sets with a name and a version, built once, verified whenever they are read.

    build = build_dataset("hcd_baseline", "v1", ["generator:high_card_duel?count=100&seed=42"])
    export_dataset("hcd_baseline-v1", "tunix_sft", "training_data.jsonl")
    rows = load_dataset("hcd_baseline-v1")

A job reads one by its key, `data.dataset: hcd_baseline-v1`.
"""

from tenyson.datasets.building import Build, build_dataset
from tenyson.datasets.errors import DatasetError, DatasetNotFoundError, DatasetRequestError
from tenyson.datasets.exporting import export_dataset
from tenyson.datasets.formats import FORMATS
from tenyson.datasets.loading import (
    NamedDataset,
    list_datasets,
    load_dataset,
    open_dataset,
    verify_dataset,
)
from tenyson.datasets.manifest import DatasetManifest
from tenyson.datasets.store import DatasetStore, open_store

__all__ = [
    "FORMATS",
    "Build",
    "DatasetError",
    "DatasetManifest",
    "DatasetNotFoundError",
    "DatasetRequestError",
    "DatasetStore",
    "NamedDataset",
    "build_dataset",
    "export_dataset",
    "list_datasets",
    "load_dataset",
    "open_dataset",
    "open_store",
    "verify_dataset",
]
