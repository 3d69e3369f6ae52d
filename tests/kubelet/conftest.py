"""One real cluster for all tests of this folder: two nodes, each with containerd and a kubelet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hack.cluster.control_plane import Timing
from hack.cluster.progress import to_terminal
from hack.node.real import RealCluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A running cluster of two nodes; whoever is not root is told so."""
    state_dir = tmp_path_factory.mktemp("real")
    timing = Timing(node_lost_seconds=20, eviction_seconds=5)
    with RealCluster(state_dir, nodes=2, timing=timing, report=to_terminal) as running:
        yield running
