"""How large an image is, layer by layer, and what in a layer is large."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MIB = 1 << 20
_SITE = "site-packages"
_LARGEST = 8


@dataclass(frozen=True)
class Layer:
    """One layer of an exported image."""

    made_by: str
    """The instruction that made it, as the image's history tells."""
    size_bytes: int
    """Of its files, uncompressed."""
    parts: dict[str, int]
    """Bytes by package, below site-packages, else by the first two folders."""


def layers_of(archive: Path) -> list[Layer]:
    """The layers of a docker-archive, from the base up."""
    with tarfile.open(archive) as outer:
        manifest = json.load(_member(outer, "manifest.json"))[0]
        config = json.load(_member(outer, manifest["Config"]))
        steps = [entry for entry in config["history"] if not entry.get("empty_layer")]
        return [
            _layer(str(step.get("created_by", "")), outer, name)
            for step, name in zip(steps, manifest["Layers"], strict=True)
        ]


def size_table(layers: list[Layer]) -> str:
    """The layers as a Markdown table, largest parts named."""
    lines = ["| layer | MB | of which |", "| --- | --- | --- |"]
    for layer in layers:
        largest = sorted(layer.parts.items(), key=lambda part: -part[1])[:_LARGEST]
        named = ", ".join(f"{name} {_mb(size)}" for name, size in largest if size >= MIB)
        lines.append(f"| {_short(layer.made_by)} | {_mb(layer.size_bytes)} | {named} |")
    lines.append(f"| **all** | **{_mb(sum(layer.size_bytes for layer in layers))}** | |")
    return "\n".join(lines)


def _layer(made_by: str, outer: tarfile.TarFile, name: str) -> Layer:
    parts: Counter[str] = Counter()
    with tarfile.open(fileobj=_member(outer, name)) as inner:
        for member in inner:
            if member.isfile():
                parts[_part(PurePosixPath(member.name))] += member.size
    return Layer(made_by, sum(parts.values()), dict(parts))


def _part(path: PurePosixPath) -> str:
    folders = path.parts
    if _SITE in folders[:-1]:
        return folders[folders.index(_SITE) + 1]
    return "/".join(folders[:2])


def _member(archive: tarfile.TarFile, name: str):  # type: ignore[no-untyped-def]
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} in the image's archive is no file")
    return file


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f}" if size_bytes < 1e7 else f"{size_bytes / 1e6:.0f}"


def _short(made_by: str) -> str:
    told = re.sub(r"/bin/sh -c |#\(nop\)|(dir|file):[0-9a-f]{64}|\|", " ", made_by)
    return " ".join(told.split())[:80]
