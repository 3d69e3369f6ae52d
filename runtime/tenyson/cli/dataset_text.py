"""What `tenyson dataset` says: pure texts, harmless on a terminal whatever the rows hold."""

import itertools
import json
from collections.abc import Sequence

from tenyson.datasets.building import Build
from tenyson.datasets.loading import NamedDataset
from tenyson.datasets.manifest import DatasetManifest
from tenyson.manifest.table import aligned
from tenyson.reporting.harmless import visible
from tenyson.reporting.numbers import bytes_text

_SHOWN_CHARACTERS = 400


def build_text(build: Build) -> str:
    """Returns what a build came to."""
    manifest = build.manifest
    head = (
        f"Built {manifest.key}: {_rows(manifest.rows)}"
        if build.is_new
        else f"{manifest.key} is there already with the same {_rows(manifest.rows)}"
    )
    lines = [head, *_facts(manifest), f"  in        {build.place}"]
    lines += [f"note: {note}" for note in build.notes]
    return printable_lines(lines)


def list_text(manifests: Sequence[DatasetManifest], store: str) -> str:
    """Returns a table of data sets."""
    if not manifests:
        return f"No data set in {store}. Build one with: tenyson dataset build\n"
    table = [("KEY", "ROWS", "SIZE", "CREATED", "SOURCES")]
    table += [
        (
            manifest.key,
            str(manifest.rows),
            bytes_text(manifest.bytes),
            manifest.created_at,
            ", ".join(str(source["source"]) for source in manifest.sources),
        )
        for manifest in manifests
    ]
    return printable_lines(aligned(table))


def show_text(dataset: NamedDataset, rows: int) -> str:
    """Returns what a data set was built from, and its first rows."""
    manifest = dataset.manifest
    lines = [
        f"{manifest.key}: {_rows(manifest.rows)}, {bytes_text(manifest.bytes)}, "
        f"built {manifest.created_at}",
        *_facts(manifest),
        f"  fields    {', '.join(_field(*item) for item in manifest.fields.items())}",
        f"  in        {dataset.store}/{manifest.key}",
    ]
    for row in itertools.islice(dataset.rows(), max(0, rows)):
        lines.append("")
        for name, value in row.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines.append(f"  {name}: {_short(text)}")
    return printable_lines(lines)


def printable_lines(lines: Sequence[str]) -> str:
    """Returns the lines as one text; what a terminal would act on is made visible."""
    return "".join(f"{visible(line)}\n" for line in lines)


def _facts(manifest: DatasetManifest) -> list[str]:
    lines = [
        f"  source    {source['source']}: {_rows(source['rows'])}, sha256 {source['sha256'][:12]}…"
        for source in manifest.sources
    ]
    counts = manifest.counts
    lines += [
        f"  filter    {text}: {counts['dropped'].get(text, 0)} dropped" for text in manifest.filters
    ]
    if counts["duplicates"]:
        lines.append(f"  dropped   {counts['duplicates']} duplicates")
    if counts["not_selected"]:
        seed = f", seed {manifest.seed}" if manifest.selection_strategy == "random" else ""
        chosen = f"limit {manifest.limit}, {manifest.selection_strategy}{seed}"
        lines.append(f"  left out  {counts['not_selected']} by the selection ({chosen})")
    if manifest.map:
        named = ", ".join(f"{old} as {new}" for new, old in manifest.map.items())
        lines.append(f"  renamed   {named}")
    return [*lines, f"  build id  {manifest.build_id}", f"  sha256    {manifest.sha256}"]


def _field(name: str, kinds: Sequence[str]) -> str:
    return f"{name} ({' or '.join(kinds)})"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
