"""The build of the chart's programs from Go modules: once per machine and set of versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hack.cluster.binaries import cache_folder
from hack.cluster.build import compile_go, wanted_go
from hack.cluster.files import make_once
from hack.cluster.golang import find_go
from hack.cluster.progress import Report, step

_ABOUT_PACKAGES = (
    970  # of Helm, the first and by far the largest; only the share shown depends on it
)


def build_tools(
    sources: Path, folder: Path, commands: Mapping[str, tuple[str, Sequence[str]]], report: Report
) -> None:
    """Fill the folder with a program for each command: its package, and what the linker sets.

    Two builds at once meet at a lock, and the second finds the work done.

    Raises:
        ClusterError: no Go, or the compiler failed.
    """

    def fill(aside: Path) -> None:
        go = find_go(cache_folder() / "go", wanted_go(sources), report)
        with step(report, "building Helm and the chart's other tools (3 minutes on 2 cores, once)"):
            for name, (package, stamps) in commands.items():
                report(f"  {name}")
                compile_go(
                    *(go, sources, package, aside / name, stamps, report),
                    about_packages=_ABOUT_PACKAGES,
                )

    make_once(folder, fill)
