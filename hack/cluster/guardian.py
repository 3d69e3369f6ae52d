"""`python -m hack.cluster.guardian`: stops a cluster when the process that owns it is gone.

A test run that is killed cannot clean up; this process, in a group of its own, does it then.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

from hack.cluster.processes import Supervised
from hack.cluster.teardown import stop_cluster

_CHECKOUT = Path(__file__).resolve().parents[2]


def start_guardian(state_dir: Path, module: str) -> None:
    """Have the cluster of the state folder stopped by that module when this process ends."""
    argv = [sys.executable, "-m", module, str(os.getpid()), str(state_dir)]
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    Supervised(state_dir, "guardian").start(argv, env=environment)


def main(owner: int, state_dir: Path, stop: Callable[..., None] = stop_cluster) -> None:
    """Wait for the owner's end, then stop what it left."""
    wait_for_end(owner)
    if state_dir.exists():
        stop(state_dir, spare_guardian=True)
        Supervised(state_dir, "guardian").record_path.unlink(missing_ok=True)


def wait_for_end(owner: int) -> None:
    """Return once the process is gone."""
    try:
        descriptor = os.pidfd_open(owner)
    except ProcessLookupError:
        return  # gone already
    select.select([descriptor], [], [])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
