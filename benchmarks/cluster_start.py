"""How long the local cluster takes from nothing to ready: `python benchmarks/cluster_start.py`.

Control plane, node and PostgreSQL in a new folder each time; the binaries are built beforehand.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hack.cluster.binaries import find_binaries
from hack.cluster.local import LocalCluster

RUNS = 5
TARGET_SECONDS = 15.0


def start_seconds() -> float:
    """Returns the time until a pod could run, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = LocalCluster(Path(folder), node=True, postgres=True)
        began = time.perf_counter()
        try:
            cluster.start()
            return time.perf_counter() - began
        finally:
            cluster.stop()


def main() -> int:
    find_binaries()
    seconds = [start_seconds() for _ in range(RUNS)]
    median = statistics.median(seconds)
    print(f"cluster ready: median {median:.1f} s, worst {max(seconds):.1f} s of {RUNS}")
    holds = max(seconds) < TARGET_SECONDS
    print(f"target {TARGET_SECONDS:.0f} s: {'holds' if holds else 'MISSED'}")
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
