"""The end of a cluster: everything that its state folder names is stopped, whoever started it."""

from __future__ import annotations

import signal
from pathlib import Path

from hack.cluster.node.attempts import kill_pod
from hack.cluster.processes import Supervised, stop_all

_GUARDIAN, _POSTGRES, _ETCD = "guardian", "postgres", "etcd"


def stop_cluster(state_dir: Path, *, spare_guardian: bool = False) -> None:
    """Stop the nodes with their containers, then the servers; the data stays."""
    processes = running_processes(state_dir)
    if not spare_guardian and _GUARDIAN in processes:
        processes[_GUARDIAN].kill()
    processes.pop(_GUARDIAN, None)
    for name in [name for name in processes if name.startswith("node-")]:
        processes.pop(name).stop(timeout_seconds=3.0)
    for folder in (state_dir / "nodes").glob("*/pods/*"):
        kill_pod(folder)
    last = [processes.pop(name) for name in (_POSTGRES, _ETCD) if name in processes]
    stop_all(list(processes.values()), timeout_seconds=5.0)
    for process in last:
        # SIGINT is PostgreSQL's "fast" shutdown, which does not wait for its clients.
        process.stop(number=signal.SIGINT)


def running_processes(state_dir: Path) -> dict[str, Supervised]:
    """Every process on record, by name."""
    names = [path.stem for path in (state_dir / "processes").glob("*.json")]
    return {name: Supervised(state_dir, name) for name in names}
