"""One run with the whole runner image, CUDA and all; the other tests use the one without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.progress import step, to_terminal
from hack.images.building import exported
from hack.node.real import RealCluster
from tests.kubelet.release import Release
from tests.kubelet.stack import Research, research

# Built, exported and imported in minutes each, where it is not in the cache.
pytestmark = [pytest.mark.kubelet, pytest.mark.timeout(2400)]


@pytest.fixture
def lab(installed: Release, cluster: RealCluster, model: Path) -> Iterator[Research]:
    with research(cluster, "full", model) as own:
        yield own


def test_the_full_image_trains_on_a_node_without_a_gpu(lab: Research, cluster: RealCluster) -> None:
    full = exported("runner", to_terminal)
    node = cluster.nodes[0]
    with step(to_terminal, f"importing {full.path.name} into {node.name}"):
        node.containerd.import_image(full.path)
    here = {"nodeSelector": {"kubernetes.io/hostname": node.name}}
    lab.apply("full", image=full.reference, placement=here)
    status = lab.succeeded("full", 600)
    assert status["result"]["globalStep"] == 6
    [pod] = lab.pods("full")
    assert pod["spec"]["containers"][0]["image"] == full.reference
