"""`python -m hack.node.guardian`: ends a real cluster when the process that owns it is gone."""

from __future__ import annotations

import sys
from pathlib import Path

from hack.cluster import guardian
from hack.node.teardown import stop_real_cluster

if __name__ == "__main__":
    guardian.main(int(sys.argv[1]), Path(sys.argv[2]), stop_real_cluster)
