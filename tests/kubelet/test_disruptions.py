"""What a cluster does to a run, done by a real kubelet to a run that really trains."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.node.real import RealCluster
from tests.kubelet.stack import GREEDY_TASK, LONG, Object, Research, condition, research

pytestmark = [pytest.mark.kubelet, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def lab(installed: Any, cluster: RealCluster, model: Path) -> Iterator[Research]:
    with research(cluster, "lab", model) as own:
        yield own


def went_on(status: Object, *, infra: int = 1) -> None:
    """Checks that a second attempt went on from what the first one saved."""
    assert status["retries"] == {"app": 0, "infra": infra}
    assert status["attempts"][1]["resumedFromStep"] > 0
    assert status["result"]["globalStep"] > status["attempts"][1]["resumedFromStep"]


def step(status: Object) -> int:
    return (status.get("progress") or {}).get("step") or 0


def start(lab: Research, name: str, **spec: Any) -> str:
    """Returns the pod of a long run that has saved a checkpoint."""
    lab.apply(name, "SFT", LONG, **spec)
    lab.wait_for_checkpoint(name)
    return lab.pod_name(name)


def end(lab: Research, name: str) -> Object:
    """Returns the status of the run, which was told to stop once it made new steps."""
    lab.wait(name, lambda s: s.get("attempt") == 1 and s.get("phase") == "Running", "going on")
    lab.wait(name, lambda s: step(s) > s["attempts"][0]["reachedStep"], "ahead")
    lab.patch(name, stop=True)
    return lab.wait_for_phase(name, "Stopped")


def test_an_evicted_pod_saves_within_its_grace_and_the_run_goes_on(lab: Research) -> None:
    pod = start(lab, "evicted")
    path = f"/api/v1/namespaces/{lab.namespace.name}/pods/{pod}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    lab.cluster.control_plane.admin.request("POST", path, body)
    status = end(lab, "evicted")
    first = status["attempts"][0]
    assert (first["class"], first["exitCode"]) == ("Preempted", 75)
    assert first["reachedStep"] == status["attempts"][1]["resumedFromStep"]
    went_on(status)


def test_a_deleted_pod_ends_with_75_and_the_next_attempt_resumes_from_the_claim(
    lab: Research,
) -> None:
    pod = start(lab, "deleted")
    lab.namespace.kubectl("delete", "pod", pod, "--wait=false")
    status = end(lab, "deleted")
    assert status["attempts"][0]["exitCode"] == 75
    went_on(status)


def test_draining_a_node_moves_the_run_to_the_other_one(lab: Research) -> None:
    name = start(lab, "drained")
    [pod] = lab.pods("drained")
    node = pod["spec"]["nodeName"]
    drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s")
    try:
        said = lab.cluster.kubectl(*drain)
        assert f"pod/{name} evicted" in said
        status = end(lab, "drained")
    finally:
        lab.cluster.kubectl("uncordon", node)
    assert status["attempts"][0]["node"] == node
    assert status["attempts"][1]["node"] != node
    went_on(status)


def test_a_run_over_its_memory_limit_is_told_apart_as_out_of_memory(lab: Research) -> None:
    limits = {"cpu": "400m", "memory": "2Gi"}
    lab.apply("greedy", task=GREEDY_TASK, resources=limits, retry={"maxRetries": 0})
    status = lab.wait_for_phase("greedy", "Failed")
    first = status["attempts"][0]
    assert (first["class"], first["reason"], first["exitCode"]) == ("OOM", "OutOfMemory", 137)
    assert "memory" in condition(status, "Failed")["message"]


def test_a_run_goes_on_while_its_kubelet_restarts(lab: Research) -> None:
    start(lab, "steady")
    [before] = lab.pods("steady")
    node = next(n for n in lab.cluster.nodes if n.name == before["spec"]["nodeName"])
    node.stop_kubelet()
    node.start_kubelet()
    node.wait_until_ready()
    reached = step(lab.job("steady")["status"])
    lab.wait("steady", lambda s: step(s) > reached, "ahead")
    [after] = lab.pods("steady")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    lab.patch("steady", stop=True)
    assert lab.wait_for_phase("steady", "Stopped")["retries"] == {"app": 0, "infra": 0}


def test_an_image_that_does_not_exist_is_said_in_the_status(lab: Research) -> None:
    lab.apply("imageless", image="localhost/nobody/made-this:1", pendingDeadlineSeconds=30)
    waiting = lab.wait(
        "imageless", lambda s: "Image" in condition(s, "Running").get("message", ""), "told why"
    )
    assert "localhost/nobody/made-this:1" in condition(waiting, "Running")["message"]
    status = lab.wait_for_phase("imageless", "Failed")
    failed = condition(status, "Failed")
    assert failed["reason"] == "PendingDeadlineExceeded"
    assert "image" in failed["message"].lower()


def test_two_pods_on_two_nodes_train_together_over_the_pod_network(lab: Research) -> None:
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"tenyson.dev/job": "pair"}},
                }
            ]
        }
    }
    lab.apply("pair", nodes=2, placement={"affinity": apart})
    status = lab.succeeded("pair")
    nodes = {pod["spec"]["nodeName"] for pod in lab.pods("pair")}
    assert nodes == {"node0", "node1"}
    assert status["attempt"] == 0
    assert status["result"]["globalStep"] == 6
