"""Building one image, and exporting it to a cache that only a changed source fills anew."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.binaries import cache_folder
from hack.cluster.files import exclusive
from hack.cluster.progress import Report, silent, step
from hack.images.bases import base_arguments
from hack.images.builders import Builder, find_builder, run, succeeds
from hack.images.plan import (
    ROOT,
    Build,
    Image,
    find_image,
    plan_build,
    sources_hash,
)
from hack.images.secrets import build_secrets
from hack.release import project_version

VARIABLES = ("BASE_IMAGE", "UV_IMAGE", "EXTRAS", "IMAGE_PREFIX", "BUILDER")
"""What the caller may choose, by the environment."""


@dataclass(frozen=True)
class Archive:
    """An image in a file that `ctr images import` and `docker load` take."""

    path: Path
    reference: str
    """The name that the image has in it, for example `localhost/tenyson-runner:0.1.0-cpu`."""


def build_image(name: str, report: Report = silent) -> tuple[Builder, Build]:
    """Build the image with the builder that is here; what built it, and what was built.

    Raises:
        ImageError: it cannot be built.
        MissingProgramError: there is no builder, and none can be installed.
    """
    image, given = find_image(name), _given(os.environ)
    builder = find_builder(given.get("BUILDER"), report)
    bases = base_arguments(builder, image, given, report)
    build = _planned(image, {**given, **bases})
    with (
        build_secrets() as secrets,
        step(report, f"building {build.reference} with {builder.name}"),
    ):
        run(builder.build_command(build, secrets), what=f"building {build.reference}")
    return builder, build


def exported(name: str, report: Report = silent) -> Archive:
    """The image's archive in the cache, built and exported only if no such archive is there yet.

    Raises:
        ImageError: it cannot be built or exported.
        MissingProgramError: there is no builder, and none can be installed.
    """
    image, given = find_image(name), _given(os.environ)
    build = _planned(image, given)
    folder = cache_folder().with_name("images")
    sources = {**given, **image.arguments, "reference": build.reference}
    path = folder / f"{image.name}-{sources_hash(sources)}.tar"
    with exclusive(folder / f"{image.name}.lock"):
        if not path.exists():
            builder, build = build_image(name, report)
            with step(report, f"exporting {build.reference} to {path}"):
                _export(builder, build, path)
            _forget_others(path, image)
    return Archive(path, build.reference)


def _export(builder: Builder, build: Build, path: Path) -> None:
    aside = path.with_suffix(".exporting")
    aside.unlink(missing_ok=True)
    try:
        run(builder.export_command(build.reference, aside), what="the export", quiet=True)
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


def _forget_others(path: Path, image: Image) -> None:
    """Remove archives of earlier sources: they are gigabytes."""
    digits = "[0-9a-f]" * 12
    for other in path.parent.glob(f"{image.name}-{digits}.tar"):
        if other != path:
            other.unlink()


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in VARIABLES if environment.get(name)}


def _planned(image: Image, given: Mapping[str, str]) -> Build:
    revision, committed_at = _commit()
    return plan_build(
        image,
        version=project_version(),
        revision=revision,
        committed_at=int(os.environ.get("SOURCE_DATE_EPOCH") or committed_at),
        given=given,
    )


def _commit() -> tuple[str, int]:
    """The commit that is checked out and its time; `unknown` in a tree without git."""
    if not succeeds(["git", "-C", str(ROOT), "rev-parse", "HEAD"]):
        return "unknown", 0
    revision, _, committed_at = _git("show", "--no-patch", "--format=%H %ct", "HEAD").partition(" ")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"{revision}-dirty" if changed else revision, int(committed_at)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
