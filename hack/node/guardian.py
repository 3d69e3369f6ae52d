"""`python -m hack.node.guardian`: ends a real cluster when the process that owns it is gone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hack.cluster.guardian import wait_for_end
from hack.cluster.processes import Supervised
from hack.node.teardown import stop_real_cluster

_CHECKOUT = Path(__file__).resolve().parents[2]


def start_guardian(state_dir: Path) -> None:
    """Have the cluster of the state folder ended when this process ends."""
    argv = [sys.executable, "-m", "hack.node.guardian", str(os.getpid()), str(state_dir)]
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    Supervised(state_dir, "guardian").start(argv, env=environment)


def main(owner: int, state_dir: Path) -> None:
    """Wait for the owner's end, then end what it left."""
    wait_for_end(owner)
    if state_dir.exists():
        stop_real_cluster(state_dir, spare_guardian=True)
        Supervised(state_dir, "guardian").record_path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
