"""Builds one version of a data set: read, rename, filter, drop what is double, select, publish.

A version is built once. The same build again finds the same rows and does nothing; one that comes
to other rows is refused, and so is the loser of two that are built at once.
"""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenyson.datasets.errors import (
    DatasetError,
    DatasetNotFoundError,
    DatasetRequestError,
    saying_where,
)
from tenyson.datasets.filters import parse_filter
from tenyson.datasets.keys import DatasetKey
from tenyson.datasets.leftovers import SUFFIX, staging_prefix
from tenyson.datasets.loading import StoreName, open_dataset
from tenyson.datasets.manifest import (
    DATA_FILE,
    MANIFEST_FILE,
    DatasetManifest,
    build_id_of,
    differences,
)
from tenyson.datasets.reading import Reading
from tenyson.datasets.recipe import READABLE, Recipe
from tenyson.datasets.rows import type_name
from tenyson.datasets.sources import parse_source
from tenyson.datasets.sources.source import Source
from tenyson.datasets.store import DatasetStore, open_store


@dataclass(frozen=True)
class Build:
    """What a build came to."""

    manifest: DatasetManifest
    """Of the data set as it lies in the store."""
    place: str
    """Its folder."""
    is_new: bool
    """False where the same rows were there already."""
    notes: tuple[str, ...] = ()
    """What should not go unnoticed."""


def build_dataset(
    name: str,
    version: str,
    sources: Iterable[str],
    *,
    mapping: Mapping[str, str] | None = None,
    filters: Iterable[str] = (),
    limit: int | None = None,
    selection_strategy: str = "latest",
    seed: int = 42,
    keep_duplicates: bool = False,
    store: StoreName = None,
    db_url: str | None = None,
) -> Build:
    """Returns the data set `name-version`, built where it is not there yet.

    Args:
        name: Of the data set.
        version: Of the rows; other rows need another one.
        sources: See `parse_source`; read one after the other.
        mapping: By a field's name in the data set, its name in the sources.
        filters: `key=value` and the like; a row must pass all.
        limit: Most rows that are taken; None takes all.
        selection_strategy: Which rows a limit leaves: `latest` by `created_at` (without it the last
            ones), `random`, or `first`. Their order stays.
        seed: Of `random`.
        keep_duplicates: Whether rows that differ in `id`, `metadata` and `created_at` alone are all
            kept; else the first one is.
        store: Folder or URI; None takes TENYSON_DATASETS, else `artifacts/datasets`.
        db_url: Of the telemetry database; None takes TENYSON_TELEMETRY_DB_URL.

    Raises:
        DatasetRequestError: What is asked for cannot be, or the version has other rows.
        DatasetError: A row cannot be kept as it is; says where it is.
    """
    key = DatasetKey(name, version)
    recipe = Recipe(
        dict(mapping or {}),
        [parse_filter(text) for text in filters],
        limit,
        selection_strategy,
        seed,
        keep_duplicates,
    )
    where = None if store is None else os.fspath(store)
    read_from = [parse_source(text, store=where, db_url=db_url) for text in sources]
    if not read_from:
        raise DatasetRequestError("A data set needs a source.", hint="Give --source.")
    return _build(key, recipe, read_from, open_store(where))


def _build(
    key: DatasetKey, recipe: Recipe, sources: Sequence[Source], store: DatasetStore
) -> Build:
    """Reads, writes and publishes, by way of a folder beside the store that is gone after it."""
    with (
        saying_where(store.url),
        tempfile.TemporaryDirectory(
            prefix=staging_prefix(str(key)), suffix=SUFFIX, dir=store.staging_parent()
        ) as staging,
    ):
        folder = Path(staging, "dataset")
        folder.mkdir()
        with open(Path(staging, "passed.jsonl"), "w+b") as passed:
            reading = Reading(recipe, passed)
            for source in sources:
                reading.read(source)
            manifest = _write(key, recipe, reading, folder)
        return _publish(store, manifest, folder)


def _write(key: DatasetKey, recipe: Recipe, reading: Reading, folder: Path) -> DatasetManifest:
    """Writes both files of the data set, and returns its manifest."""
    chosen = reading.chosen()
    digest, size = hashlib.sha256(), 0
    kinds: dict[str, Counter[str]] = {}
    seen: dict[str, str] = {}
    with open(folder / DATA_FILE, "wb") as data:
        for index in chosen:
            place, line = reading.line(index)
            row = json.loads(line)
            _require_own_id(row, place, seen)
            for name, value in row.items():
                kinds.setdefault(name, Counter())[type_name(value)] += 1
            digest.update(line)
            size += data.write(line)
    made_of = {"sources": reading.sources, **recipe.to_dict()}
    kept = reading.count - sum(reading.dropped.values()) - reading.duplicates
    manifest = DatasetManifest(
        key=str(key),
        build_id=build_id_of(made_of),
        created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        rows=len(chosen),
        bytes=size,
        sha256=digest.hexdigest(),
        counts={
            "read": reading.count,
            "dropped": dict(reading.dropped),
            "duplicates": reading.duplicates,
            "not_selected": kept - len(chosen),
            "kept": len(chosen),
        },
        fields={name: _kinds(counted, len(chosen)) for name, counted in kinds.items()},
        **made_of,
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _require_own_id(row: Mapping[str, Any], place: str, seen: dict[str, str]) -> None:
    name = str(row["id"])
    if name in seen:
        raise DatasetError(
            f"{place} has the id {name!r}, and so has {seen[name]}: ids tell rows apart.",
            hint="Map a field that does to it, --map id=FIELD, or leave ids out: rows then get "
            "one made of their content.",
        )
    seen[name] = place


def _kinds(counted: Counter[str], rows: int) -> list[str]:
    missing = ["missing"] if counted.total() < rows else []
    return [*sorted(counted), *missing]


def _publish(store: DatasetStore, built: DatasetManifest, folder: Path) -> Build:
    place, notes = store.place(built.key), _notes(built)
    if store.publish(built.key, folder):
        return Build(built, place, is_new=True, notes=notes)
    try:
        there = open_dataset(built.key, store.url).manifest
    except DatasetNotFoundError as error:
        raise DatasetRequestError(
            f"{place} holds something without a manifest: another build is under way there, or was "
            "cut off.",
            hint="Try again in a moment; remove what is there if nobody builds it.",
        ) from error
    changed = differences(there, built)
    if there.sha256 != built.sha256:
        lines = "\n".join(f"  {line}" for line in changed)
        raise DatasetRequestError(
            f"{built.key} was built on {there.created_at} with other rows, and a version does not "
            f"change:\n{lines}",
            hint="Give these rows a version of their own.",
        )
    if changed:
        notes = (f"It was built otherwise, from the same rows: {'; '.join(changed)}.", *notes)
    return Build(there, place, is_new=False, notes=notes)


def _notes(built: DatasetManifest) -> tuple[str, ...]:
    notes = []
    if not any("missing" not in built.fields.get(name, ["missing"]) for name in READABLE):
        notes.append(
            f"Not every row has one of {', '.join(READABLE)}: a job cannot read them. Name the "
            "field with --map prompt=FIELD."
        )
    for name, kinds in built.fields.items():
        if len([kind for kind in kinds if kind not in ("null", "missing")]) > 1:
            notes.append(f"The field {name} holds {' and '.join(kinds)}: no job can read that.")
    return tuple(notes)
