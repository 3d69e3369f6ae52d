"""A real node's cluster does not forget what it has made; what it does is in tests/kubelet."""

from pathlib import Path

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.processes import Supervised
from hack.node.real import RealCluster


@pytest.mark.parametrize("begin", [RealCluster.start, RealCluster.__enter__])
def test_a_second_start_in_the_same_folder_is_refused_and_ends_nothing(
    tmp_path: Path, begin: object
) -> None:
    assert callable(begin)
    kubelet = Supervised(tmp_path, "node0-kubelet")
    kubelet.start(["sleep", "60"])
    try:
        with pytest.raises(ClusterError, match=r"is up in .*node0-kubelet.* down --state"):
            begin(RealCluster(tmp_path))
        assert kubelet.is_running()
        assert not (tmp_path / "processes" / "guardian.json").exists()
    finally:
        kubelet.kill()
