"""`manifest.json` of a data set: what it was built from, what was kept, the hash of its rows."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tenyson.datasets.errors import DatasetError

SCHEMA_VERSION = 1
MANIFEST_FILE, DATA_FILE = "manifest.json", "data.jsonl"
_NAMESPACE = uuid.UUID("4b0f7a44-0e0f-5b1e-9f5e-7f3b6f5d1c52")
_OWN_HASH = "manifest_sha256"
_MADE_OF = ("map", "filters", "limit", "selection_strategy", "seed", "keep_duplicates")
"""Fields that, with the sources' rows, decide what a build comes to."""


@dataclass(frozen=True)
class DatasetManifest:
    """What one version of a data set is."""

    key: str
    build_id: str
    """UUID made of what the data set was built from: the sources' rows and what was asked."""
    created_at: str
    rows: int
    bytes: int
    sha256: str
    """Of `data.jsonl`."""
    sources: list[dict[str, Any]]
    """Of each: `source` as given, `kind`, `rows` and `sha256` over the rows as they were read."""
    map: dict[str, str] = field(default_factory=dict)
    """By a field's name in the data set, its name in the source."""
    filters: list[str] = field(default_factory=list)
    limit: int | None = None
    selection_strategy: str = "latest"
    seed: int = 42
    keep_duplicates: bool = False
    counts: dict[str, Any] = field(default_factory=dict)
    """`read`, `dropped` by each filter, `duplicates`, `not_selected`, `kept`."""
    fields: dict[str, list[str]] = field(default_factory=dict)
    """By field, the kinds of its values: `text`, `number`, `boolean`, `list`, `object`, `null`, and
    `missing` where not every row has it."""
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Returns the text of the file, with a hash over itself."""
        content = asdict(self)
        return json.dumps({**content, _OWN_HASH: _hash(content)}, indent=2) + "\n"


def parse_manifest(text: str | bytes, place: str) -> DatasetManifest:
    """Returns the manifest that a file holds.

    Raises:
        DatasetError: It holds none, was changed since it was written, or is of a newer version.
    """
    try:
        content = json.loads(text)
        own_hash = content.pop(_OWN_HASH)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{place} is no manifest of a data set.") from error
    if version > SCHEMA_VERSION:
        raise DatasetError(
            f"{place} has schema version {version}, this Tenyson reads up to {SCHEMA_VERSION}.",
            hint="Update tenyson.",
        )
    if _hash(content) != own_hash:
        raise DatasetError(
            f"{place} is not as it was written: its hash is {_hash(content)[:12]}…, it says "
            f"{str(own_hash)[:12]}….",
            hint="A data set does not change: bring the file back, or build a new version.",
        )
    return DatasetManifest(**content)


def build_id_of(content: Mapping[str, Any]) -> str:
    """Returns the id of a build: the same sources' rows and wishes always give the same one."""
    made_of = {name: content[name] for name in _MADE_OF}
    read = [(source["kind"], source["rows"], source["sha256"]) for source in content["sources"]]
    return str(uuid.uuid5(_NAMESPACE, json.dumps([read, made_of], sort_keys=True)))


def differences(old: DatasetManifest, new: DatasetManifest) -> list[str]:
    """Returns what two builds of one version disagree on, what explains most first."""
    return [*_source_differences(old, new), *_field_differences(old, new)]


def _source_differences(old: DatasetManifest, new: DatasetManifest) -> Iterator[str]:
    if len(old.sources) != len(new.sources):
        yield f"sources: {_named(old)} → {_named(new)}"
        return
    for before, now in zip(old.sources, new.sources, strict=True):
        if before["sha256"] != now["sha256"]:
            name = before["source"]
            other = f" → {now['source']}" if now["source"] != name else ""
            rows = f"{before['rows']} rows, sha256 {before['sha256'][:12]}…"
            yield (
                f"source {name}{other}: {rows} → {now['rows']} rows, sha256 {now['sha256'][:12]}…"
            )


def _field_differences(old: DatasetManifest, new: DatasetManifest) -> Iterator[str]:
    for name in (*_MADE_OF, "rows"):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield f"{name}: {_shown(before)} → {_shown(now)}"
    if old.sha256 != new.sha256:
        yield f"sha256 of the rows: {old.sha256[:12]}… → {new.sha256[:12]}…"


def _named(manifest: DatasetManifest) -> str:
    return ", ".join(str(source["source"]) for source in manifest.sources)


def _shown(value: Any) -> str:
    return "none" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
