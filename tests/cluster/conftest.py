"""One control plane with one node for all tests of this folder, and a namespace for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hack.cluster.control_plane import Timing
from hack.cluster.fixtures import Namespace, new_namespace
from hack.cluster.local import LocalCluster
from hack.cluster.node_process import NodeOptions


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running cluster with one node, which knows one image."""
    options = NodeOptions(
        images={"tenyson/echo": ["/bin/echo", "from the entrypoint:"]},
        env={"FROM_IMAGE": "yes"},
        capacity={"nvidia.com/gpu": "2"},
        lease_seconds=8,
    )
    state_dir = tmp_path_factory.mktemp("cluster") / "state"
    timing = Timing(node_lost_seconds=15, eviction_seconds=1)
    with LocalCluster(state_dir, node=True, node_options=options, timing=timing) as running:
        yield running


@pytest.fixture
def namespace(cluster: LocalCluster) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    with new_namespace(cluster) as own:
        yield own
