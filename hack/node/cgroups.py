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
_SHARES = {"cpu.shares": (1024, 262144), "cpu.weight": (100, 10000)}
"""The default of each version, and the most that it takes."""
_KUBELETS = {"cpu", "cpuset", "memory", "hugetlb", "pids"}
"""The controllers of version 2 without which a kubelet takes no cgroup for its root."""
_COPIED = ("cpuset.cpus", "cpuset.mems")  # version 1 takes no process before they are set


def make_cgroup(name: str) -> None:
    """Make the cgroup in every hierarchy, ready to hold processes.

    Raises:
        ClusterError: the machine's own cgroup cannot be divided.
    """
    for hierarchy in _hierarchies():
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        if hierarchy == _ROOT:  # version 2 alone; beside version 1 it limits nothing
            _hand_down(hierarchy, folder)
        for file in _COPIED:
            if (hierarchy / file).exists() and not (folder / file).read_text().strip():
                (folder / file).write_text((hierarchy / file).read_text())
        for file, (share, most) in _SHARES.items():
            if (folder / file).exists():  # else all pods together get what one process gets
                (folder / file).write_text(str(min(most, share * (os.cpu_count() or 1))))


def _hand_down(root: Path, folder: Path) -> None:
    """Version 2: have every cgroup above the folder hand its controllers down to it."""
    for parent in reversed([it for it in folder.parents if it.is_relative_to(root)]):
        for controller in _controllers(parent):
            with suppress(OSError):  # one by one: of several at once none counts where one may not
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")
    if missing := (_controllers(root) & _KUBELETS) - _controllers(folder):
        raise ClusterError(
            f"cgroup {folder} gets no {', '.join(sorted(missing))} from those above it. A cgroup "
            f"with processes of its own hands nothing down, as {root} of most containers; run this "
            "on the machine itself"
        )


def _controllers(folder: Path) -> set[str]:
    return set((folder / "cgroup.controllers").read_text().split())


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
