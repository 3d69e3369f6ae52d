"""The node's own small programs, built once from Go modules into the project's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hack.cluster.binaries import cache_folder
from hack.cluster.errors import ClusterError
from hack.cluster.files import exclusive
from hack.cluster.golang import find_go
from hack.cluster.progress import Report, silent, step

_SOURCES = Path(__file__).parent / "programs"
_PROGRAMS = ("pause", "dns")
_GO = "1.24"


def node_programs(report: Report = silent) -> Mapping[str, Path]:
    """The path of each program, which has no need of a C library.

    Raises:
        ClusterError: no Go, or the compiler failed.
    """
    folder = cache_folder().parent / "node" / _hash()
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            with step(report, "building CoreDNS from Go modules (about 2 minutes, once)"):
                _build(folder, report)
    return {name: folder / name for name in _PROGRAMS}


def _hash() -> str:
    files = sorted(path for path in _SOURCES.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _build(folder: Path, report: Report) -> None:
    go = find_go(cache_folder() / "go", _GO, report)
    aside = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    environment = {**os.environ, "CGO_ENABLED": "0"}
    argv = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", f"{aside}/"]
    try:
        answer = subprocess.run(
            [*argv, *(f"./{name}" for name in _PROGRAMS)],
            cwd=_SOURCES,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise ClusterError(
                "go build failed; it needs a Go module proxy (GOPROXY). It said:\n"
                f"{answer.stderr[-2000:]}"
            )
        aside.chmod(0o755)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
