"""Images made by hand: docker archives of a few files, for containers that need no more.

The project's own images are made by `hack.images`; these are what the node itself needs, and a
shell for tests that only need a pod.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.system import architecture

PAUSE = "localhost/tenyson-pause:1"
DNS = "localhost/tenyson-dns:1"
SHELL = "localhost/tenyson-shell:1"
_APPLETS = (
    *("cat", "dd", "env", "grep", "head", "id", "ls", "nc"),
    *("nslookup", "sh", "sleep", "tail", "true", "wget"),
)


@dataclass(frozen=True)
class SmallImage:
    """What an image consists of."""

    name: str
    files: Mapping[str, Path]
    """The path in the image, without a leading slash, and the file of this machine."""
    entrypoint: Sequence[str]
    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic links and what they point at."""


def node_images(pause: Path, dns: Path) -> list[SmallImage]:
    """The images that every node has."""
    return [
        SmallImage(PAUSE, {"pause": pause}, ["/pause"]),
        SmallImage(DNS, {"dns": dns}, ["/dns"]),
        SmallImage(
            SHELL,
            {"bin/busybox": Path("/bin/busybox")},
            ["/bin/sh"],
            {f"bin/{name}": "busybox" for name in _APPLETS},
        ),
    ]


def write_archive(image: SmallImage, path: Path) -> None:
    """Write the image as a docker archive, as `ctr images import` reads it."""
    layer = _layer(image)
    config = json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": list(image.entrypoint),
                "Env": ["PATH=/bin"],
                "User": "65532:65532",
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
    members = {name: config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(path, "w") as archive:
        for member, content in members.items():
            archive.addfile(_member(member, len(content)), io.BytesIO(content))


def _layer(image: SmallImage) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in sorted(
            {str(parent) for path in image.files for parent in Path(path).parents} - {"."}
        ):
            entry = _member(folder, 0)
            entry.type = tarfile.DIRTYPE
            layer.addfile(entry)
        for path, source in image.files.items():
            content = source.read_bytes()
            layer.addfile(_member(path, len(content)), io.BytesIO(content))
        for path, target in image.links.items():
            entry = _member(path, 0)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            layer.addfile(entry)
    return buffer.getvalue()


def _member(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o755
    return entry
