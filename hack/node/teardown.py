"""The end of a real cluster: all that its state folder names is stopped and removed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.files import read_json, write_json
from hack.cluster.processes import Supervised
from hack.cluster.teardown import running_processes, stop_cluster
from hack.cluster.waiting import wait_for
from hack.node.cgroups import kill_cgroup, remove_cgroup
from hack.node.mounts import unmount_below
from hack.node.network import Network, remove_network
from hack.node.tunables import restore_tunables

_MADE, _TUNABLES = "made.json", "tunables.json"


def remember(state_dir: Path, network: Network, cgroup: str) -> Path:
    """Write down what is made outside of the state folder; the path for the kernel's settings."""
    write_json(state_dir / _MADE, {"network": network.number, "cgroup": cgroup})
    return state_dir / _TUNABLES


def clear_the_way(state_dir: Path) -> None:
    """Remove what a cluster has left that went down with its machine.

    Raises:
        ClusterError: one is up; a second in its folder would forget what the first has made.
    """
    found = running_processes(state_dir)
    running = sorted(name for name in found if name != "guardian" and found[name].is_running())
    if running:
        raise ClusterError(
            f"a cluster is up in {state_dir} ({', '.join(running)}); end it first: "
            f"python -m hack.node down --state {state_dir}"
        )
    if (state_dir / _MADE).exists():
        stop_real_cluster(state_dir, spare_guardian=True)


def stop_real_cluster(state_dir: Path, *, spare_guardian: bool = False) -> None:
    """Stop the nodes with their pods, then the servers; only files are left."""
    made = read_json(state_dir / _MADE)
    processes = running_processes(state_dir)
    if not spare_guardian and "guardian" in processes:
        processes["guardian"].kill()
    for kind in ("kubelet", "kube-proxy"):  # first: a kubelet would start pods again
        _stop_each(processes, kind)
    if made:
        kill_cgroup(made["cgroup"])
    _stop_each(processes, "containerd")
    for pid in _shims(state_dir):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not list(_shims(state_dir)), "containerd's shims to end", 10.0)
    stop_cluster(state_dir, spare_guardian=spare_guardian)
    unmount_below(state_dir)
    if made:
        remove_network(Network(made["network"]))
        remove_cgroup(made["cgroup"])
        restore_tunables(state_dir / _TUNABLES)
        (state_dir / _MADE).unlink()


def _stop_each(processes: dict[str, Supervised], kind: str) -> None:
    for name, process in processes.items():
        if name.endswith(f"-{kind}"):
            process.stop(timeout_seconds=5.0)


def _shims(state_dir: Path) -> Iterator[int]:
    """The processes by which this cluster's containerd holds its containers."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "containerd-shim" in words[0] and any(w.startswith(f"{state_dir}/") for w in words):
                yield int(path.parent.name)
