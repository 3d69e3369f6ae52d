"""What is built, under which name and from which arguments; decided without building anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hack.images.errors import ImageError

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PREFIX = "localhost"
SOURCES = ("images", "pyproject.toml", "uv.lock", "README.md", "runtime", "operator", "tasks")
"""What `.dockerignore` lets into a build."""


@dataclass(frozen=True)
class Image:
    """An image that this project makes."""

    name: str
    """How `make images IMAGE=…` names it."""
    repository: str
    """Its repository below the prefix."""
    suffix: str = ""
    """What follows the version in its tag."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments of its own."""

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile, below the repository's root."""
        return Path("images", self.repository.removeprefix("tenyson-"), "Dockerfile")


IMAGES = {
    image.name: image
    for image in (
        Image("controller", "tenyson-controller"),
        Image("runner", "tenyson-runner"),
        Image("runner-cpu", "tenyson-runner", "-cpu", {"ACCELERATOR": "cpu"}),
    )
}


@dataclass(frozen=True)
class Build:
    """One build: an image, its full name, and what the Dockerfile is told."""

    image: Image
    reference: str
    """For example `localhost/tenyson-controller:0.1.0`."""
    arguments: Mapping[str, str]


def find_image(name: str) -> Image:
    """The image of that name.

    Raises:
        ImageError: there is none.
    """
    if name not in IMAGES:
        raise ImageError(f"there is no image {name!r}; there are {', '.join(IMAGES)}")
    return IMAGES[name]


def plan_build(
    image: Image, *, version: str, revision: str, committed_at: int, given: Mapping[str, str]
) -> Build:
    """The build of an image at a commit.

    Args:
        image: What to build.
        version: The project's version.
        revision: The commit's hash; `-dirty` after it where files differ from it.
        committed_at: Unix time that the image says it was created at, so that building a commit
            twice gives the same labels.
        given: The caller's variables: IMAGE_PREFIX, and the Dockerfile's arguments BASE_IMAGE,
            UV_IMAGE and EXTRAS.
    """
    prefix = (given.get("IMAGE_PREFIX") or DEFAULT_PREFIX).rstrip("/")
    chosen = {name: given[name] for name in ("BASE_IMAGE", "UV_IMAGE", "EXTRAS") if given.get(name)}
    if "EXTRAS" in chosen and image.name == "controller":
        del chosen["EXTRAS"]  # the runner's
    created = datetime.fromtimestamp(committed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {"VERSION": version, "REVISION": revision, "CREATED": created}
    reference = f"{prefix}/{image.repository}:{version}{image.suffix}"
    return Build(image, reference, {**image.arguments, **chosen, **labels})


def sources_hash(arguments: Mapping[str, str], root: Path = ROOT) -> str:
    """Twelve digits that change with any source of the images and any argument."""
    digest = hashlib.sha256()
    for name, value in sorted(arguments.items()):
        digest.update(f"{name}={value}\0".encode())
    for source in SOURCES:
        for path in _files(root / source):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if "__pycache__" not in file.parts)
