"""The images that a build starts from: pulled, or made here where none can be pulled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hack.cluster.progress import Report, step
from hack.cluster.system import Program, ensure_programs
from hack.images.builders import Builder, run, succeeds
from hack.images.errors import ImageError
from hack.images.plan import ROOT, Image

LOCAL_BASE = "localhost/tenyson-base:bookworm"
PULL_SECONDS = 600


def base_arguments(
    builder: Builder, image: Image, given: Mapping[str, str], report: Report
) -> dict[str, str]:
    """Values for BASE_IMAGE and UV_IMAGE: the caller's, the Dockerfile's own, or ones made here.

    Raises:
        ImageError: an image that the caller names cannot be had, or none can be made here.
    """
    own = dockerfile_arguments(ROOT / image.dockerfile)
    version = own["UV_IMAGE"].rpartition(":")[2]
    local_uv = f"localhost/tenyson-uv:{version}"
    chosen = {
        name: _choose(builder, name, given.get(name), own[name], local, report)
        for name, local in (("BASE_IMAGE", LOCAL_BASE), ("UV_IMAGE", local_uv))
    }
    if chosen["BASE_IMAGE"] == LOCAL_BASE:
        make_local_base(builder, report)
    if chosen["UV_IMAGE"] == local_uv:
        make_local_uv(builder, local_uv, version, report)
    return chosen


def dockerfile_arguments(dockerfile: Path) -> dict[str, str]:
    """The arguments of a Dockerfile that have a default."""
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile.read_text(encoding="utf-8"), re.M))


def make_local_base(builder: Builder, report: Report) -> str:
    """Debian 12 made by debootstrap, as small as Debian's own slim image; its name.

    Raises:
        ImageError: not root, or debootstrap failed.
        MissingProgramError: debootstrap is missing and cannot be installed.
    """
    if _is_here(builder, LOCAL_BASE):
        return LOCAL_BASE
    if os.geteuid() != 0:
        raise ImageError(
            "no base image can be pulled, and making one with debootstrap needs root; "
            "run this as root once, or set BASE_IMAGE to an image that is here"
        )
    ensure_programs([Program("debootstrap", "debootstrap", "a base image is made with it")], report)
    with (
        TemporaryDirectory(prefix="tenyson-base-") as folder,
        step(report, "making a base image (Debian 12, 60 s)"),
    ):
        run([str(ROOT / "hack/images/debian-base"), folder], what="debootstrap", quiet=True)
        Path(folder, "Dockerfile").write_text(
            'FROM scratch\nADD rootfs.tar /\nCMD ["/bin/sh"]\n', encoding="utf-8"
        )
        run(builder.scratch_command(LOCAL_BASE, Path(folder)), what="the base image", quiet=True)
    return LOCAL_BASE


def make_local_uv(builder: Builder, reference: str, version: str, report: Report) -> str:
    """An image with this machine's uv, of the wanted version, alone; its name.

    Raises:
        ImageError: there is no such uv here.
    """
    if _is_here(builder, reference):
        return reference
    with TemporaryDirectory(prefix="tenyson-uv-") as folder, step(report, f"packing uv {version}"):
        shutil.copy(_find_uv(version), Path(folder, "uv"))
        Path(folder, "Dockerfile").write_text("FROM scratch\nCOPY uv /uv\n", encoding="utf-8")
        run(builder.scratch_command(reference, Path(folder)), what="uv's image", quiet=True)
    return reference


def _find_uv(version: str) -> Path:
    """The uv that `make install` uses; installed anew where this checkout has none."""
    own = ROOT / ".cache" / "uv" / "bin" / "uv"
    for candidate in (own, *map(Path, filter(None, [shutil.which("uv")]))):
        if _answers(candidate, version):
            return candidate
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(own.parents[1])], check=False)
    pip = [str(own.with_name("python")), "-m", "pip", "install", "--quiet", f"uv=={version}"]
    if not succeeds(pip, timeout_seconds=PULL_SECONDS) or not _answers(own, version):
        raise ImageError(f"uv {version} is neither here nor to be installed: try {' '.join(pip)}")
    return own


def _answers(uv: Path, version: str) -> bool:
    """Whether it is uv itself, of that version, and not a script that calls it."""
    try:
        with uv.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                return False
        done = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return version in done.stdout.split()


def _choose(
    builder: Builder, name: str, named: str | None, default: str, local: str, report: Report
) -> str:
    """The caller's image if there is one, else one that is here, else one that can be had."""
    if named:
        if not _is_here(builder, named) and not _pulled(builder, named, report):
            raise ImageError(f"{name}={named} is not here and cannot be pulled with {builder.name}")
        return named
    here = [candidate for candidate in (default, local) if _is_here(builder, candidate)]
    if here:
        return here[0]
    return default if _pulled(builder, default, report) else local


def _is_here(builder: Builder, reference: str) -> bool:
    return succeeds(builder.exists_command(reference))


def _pulled(builder: Builder, reference: str, report: Report) -> bool:
    with step(report, f"pulling {reference}"):
        there = succeeds(builder.pull_command(reference), timeout_seconds=PULL_SECONDS)
    if not there:
        report("  it cannot be pulled here")
    return there
