"""The node's own small programs, built once from Go modules into the project's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hack.cluster.binaries import cache_folder
from hack.cluster.build import compile_go, wanted_go
from hack.cluster.files import make_once
from hack.cluster.golang import find_go
from hack.cluster.progress import Report, silent, step

_SOURCES = Path(__file__).parent / "programs"
_PROGRAMS = {"pause": 60, "dns": 780}
"""With about how many packages each has, its own and Go's."""


def node_programs(report: Report = silent) -> Mapping[str, Path]:
    """The path of each program, which has no need of a C library.

    Raises:
        ClusterError: no Go, or the compiler failed.
    """
    folder = make_once(
        cache_folder().parent / "node" / _hash(), lambda aside: _build(aside, report)
    )
    return {name: folder / name for name in _PROGRAMS}


def _hash() -> str:
    files = sorted(path for path in _SOURCES.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _build(folder: Path, report: Report) -> None:
    go = find_go(cache_folder() / "go", wanted_go(_SOURCES), report)
    with step(report, "building CoreDNS from Go modules (about 2 minutes, once)"):
        for name, about in _PROGRAMS.items():
            program = folder / name
            compile_go(go, _SOURCES, f"./{name}", program, (), report, about_packages=about)
