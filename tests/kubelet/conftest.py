"""One real cluster for all tests of this folder, with Tenyson installed by its chart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.control_plane import Timing
from hack.cluster.progress import to_terminal
from hack.images.building import exported
from hack.node.real import RealCluster
from tests.kubelet.release import Release
from tests.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A running cluster of two nodes; whoever is not root is told so."""
    timing = Timing(node_lost_seconds=20, eviction_seconds=5)
    state_dir = tmp_path_factory.mktemp("real")
    with RealCluster(state_dir, nodes=2, timing=timing, report=to_terminal) as running:
        yield running
    for folder in state_dir.glob("node*"):  # the images: gigabytes, which pytest would keep
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def installed(cluster: RealCluster) -> Release:
    """The chart's release, with the images that the Dockerfiles make; the runner's without CUDA."""
    controller, runner = (exported(name, to_terminal) for name in ("controller", "runner-cpu"))
    for archive in (controller, runner):
        cluster.import_image(archive.path)
    release = Release(cluster)
    release.install(controller, runner)
    return release


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that trains in a second."""
    return make_tiny_model(tmp_path_factory.mktemp("model"))
