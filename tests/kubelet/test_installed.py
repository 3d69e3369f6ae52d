"""The chart on a real node: what runs, as whom, and a job from `kubectl apply` to its result."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.progress import to_terminal
from hack.node.real import RealCluster
from tests.kubelet.pods import is_ready
from tests.kubelet.release import NAMESPACE, Release
from tests.kubelet.stack import Research, condition, research

pytestmark = [pytest.mark.kubelet, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def lab(installed: Release, cluster: RealCluster, model: Path) -> Iterator[Research]:
    with research(cluster, "research", model) as own:
        yield own


def test_the_controller_runs_restricted_on_both_nodes_and_takes_little_memory(
    installed: Release,
) -> None:
    pods = installed.pods()
    assert [is_ready(pod) for pod in pods] == [True, True]
    assert installed.placed_on == {"node0", "node1"}
    sizes = [size / 1e6 for size in installed.resident_bytes()]
    to_terminal(
        f"helm install --wait: {installed.install_seconds:.0f} s; "
        f"controllers: {' and '.join(f'{size:.0f} MB' for size in sizes)} resident"
    )
    assert all(10 < size < 150 for size in sizes)


def test_a_job_in_a_restricted_namespace_trains_and_reports_over_the_network(
    lab: Research,
) -> None:
    lab.apply("first")
    status = lab.succeeded("first")
    assert status["result"]["globalStep"] == 6
    assert status["progress"]["step"] == 6  # by HTTPS to the Service, found by its name
    assert condition(status, "Complete")["status"] == "True"
    [pod] = lab.pods("first")
    env = {v["name"]: v.get("value", "") for v in pod["spec"]["containers"][0]["env"]}
    assert f"tenyson-progress.{NAMESPACE}.svc" in env["TENYSON_PROGRESS_URL"]
    assert (lab.output("first") / "checkpoint-final").is_dir()


def test_helm_test_trains_something_and_passes(installed: Release) -> None:
    said = installed.helm("test", "tenyson", "--logs", "--timeout=10m")
    assert "Complete=True Succeeded" in said
