"""The program that builds images: docker, podman or buildah, whichever is there and works."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.progress import Report
from hack.cluster.system import Program, ensure_programs
from hack.images.errors import ImageError
from hack.images.plan import ROOT, Build

NAMES = ("docker", "podman", "buildah")
_PROBES = {
    # docker's client may be there without a daemon, and without buildx it knows no secrets.
    "docker": (
        ("docker", "version", "--format", "{{.Server.Version}}"),
        ("docker", "buildx", "ls"),
    ),
    "podman": (("podman", "info"),),
    "buildah": (("buildah", "info"),),
}


@dataclass(frozen=True)
class Builder:
    """A program that builds images."""

    name: str

    def build_command(self, build: Build, secrets: Mapping[str, Path]) -> list[str]:
        """The command that builds from the repository's root."""
        arguments = [f"--build-arg={name}={value}" for name, value in build.arguments.items()]
        files = [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        tail = ["--file", str(build.image.dockerfile), "--tag", build.reference, "."]
        return [*self._build(), *arguments, *files, *tail]

    def scratch_command(self, reference: str, folder: Path) -> list[str]:
        """The command that builds a folder's Dockerfile, which starts from nothing."""
        return [*self._build(), "--tag", reference, str(folder)]

    def pull_command(self, reference: str) -> list[str]:
        """The command that fetches an image."""
        return [self.name, "pull", reference]

    def exists_command(self, reference: str) -> list[str]:
        """The command that succeeds if the image is here already."""
        if self.name == "docker":
            return ["docker", "image", "inspect", reference]
        return [self.name, "inspect", "--type", "image", reference]

    def export_command(self, reference: str, archive: Path) -> list[str]:
        """The command that writes the image as a docker-archive, which containerd imports."""
        if self.name == "buildah":
            return ["buildah", "push", reference, f"docker-archive:{archive}:{reference}"]
        formatted = ["--format", "docker-archive"] if self.name == "podman" else []
        return [self.name, "save", *formatted, "--output", str(archive), reference]

    def _build(self) -> list[str]:
        if self.name == "docker":
            return ["docker", "buildx", "build", "--load", "--provenance=false"]
        # Chroot and the host's network: they also work where namespaces and bridges cannot be made.
        options = ("--layers", "--force-rm", "--isolation=chroot", "--network=host")
        return [self.name, "build", *options]


def find_builder(wanted: str | None, report: Report) -> Builder:
    """The builder that BUILDER names, else the first that works; buildah is installed if none is.

    Raises:
        ImageError: the wanted one does not work.
        MissingProgramError: none works and none can be installed.
    """
    if wanted and wanted not in NAMES:
        raise ImageError(f"BUILDER={wanted}, and it must be {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    for name in [wanted] if wanted else NAMES:
        if works(name):
            return Builder(name)
    if wanted:
        raise ImageError(f"BUILDER={wanted} does not answer: try `{' '.join(_PROBES[wanted][0])}`")
    ensure_programs([Program("buildah", "buildah", "images are built with it")], report)
    return Builder("buildah")


def works(name: str) -> bool:
    """Whether the program is there and answers."""
    return shutil.which(name) is not None and all(succeeds(probe) for probe in _PROBES[name])


def run(command: Sequence[str], *, what: str, quiet: bool = False) -> str:
    """Run the command in the repository's root; what it said.

    Raises:
        ImageError: it failed; with its last lines.
    """
    shown = subprocess.PIPE if quiet else None
    process = subprocess.run(
        command, cwd=ROOT, stdout=shown, stderr=shown, text=True, check=False, env=_environment()
    )
    if process.returncode != 0:
        said = f"\n{(process.stderr or '')[-2000:]}" if quiet else "; see above"
        raise ImageError(
            f"{what} failed: {' '.join(command)} ended with {process.returncode}{said}"
        )
    return process.stdout or ""


def succeeds(command: Sequence[str], timeout_seconds: float = 60) -> bool:
    """Whether the command ends well and in time."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDAH_LAYERS": "true"}
