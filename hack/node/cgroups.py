"""The cgroup under which everything of one cluster's nodes runs, in every hierarchy there is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.waiting import wait_for

_ROOT = Path("/sys/fs/cgroup")
_SHARES = {"cpu.shares": 1024, "cpu.weight": 100}  # the default of each version
_COPIED = ("cpuset.cpus", "cpuset.mems")  # version 1 takes no process before they are set


def make_cgroup(name: str) -> None:
    """Make the cgroup in every hierarchy, ready to hold processes."""
    for hierarchy in _hierarchies():
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        for file in _COPIED:
            if (hierarchy / file).exists() and not (folder / file).read_text().strip():
                (folder / file).write_text((hierarchy / file).read_text())
        for file, share in _SHARES.items():
            if (folder / file).exists():  # else all pods together get what one process gets
                (folder / file).write_text(str(share * (os.cpu_count() or 1)))


def kill_cgroup(name: str) -> None:
    """Kill every process of the cgroup, and return once none is left."""

    def none_is_left() -> bool:
        pids = {pid for hierarchy in _hierarchies() for pid in _pids(hierarchy / name)}
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    wait_for(none_is_left, f"the processes of cgroup {name} to end", 30.0)


def remove_cgroup(name: str) -> None:
    """Remove the cgroup, which must be empty, from every hierarchy."""

    def is_removed() -> bool:
        return all(_remove_tree(hierarchy / name) for hierarchy in _hierarchies())

    # The kernel needs a moment after the last process.
    with suppress(ClusterError):
        wait_for(is_removed, f"cgroup {name} to be removed", 10.0, poll_seconds=0.2)


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [path for path in _ROOT.iterdir() if (path / "cgroup.procs").exists()]


def _pids(folder: Path) -> Iterator[int]:
    for parent, _, files in os.walk(folder):
        if "cgroup.procs" in files:
            with suppress(OSError):
                yield from map(int, Path(parent, "cgroup.procs").read_text().split())


def _remove_tree(folder: Path) -> bool:
    for parent, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(parent).rmdir()
    return not folder.exists()
