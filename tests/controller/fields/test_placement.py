"""Where pods go: resources, `placement`, and a runtime's node presets."""

from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import ApiError, Namespace
from tests.controller.builders import condition
from tests.controller.fields.runtimes import TEAM, make_runtime

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists"}


def pod_spec(ns: Namespace) -> Object:
    return dict(ns.child("j-a0")["spec"]["template"]["spec"])


def test_gpus_are_a_limit_and_their_taint_is_tolerated(ns: Namespace) -> None:
    resources = {
        "gpus": 8, "cpu": "8", "memory": "64Gi", "ephemeralStorage": "200Gi",
        "sharedMemory": "16Gi",
    }  # fmt: skip
    ns.create("j", resources=resources)
    spec = pod_spec(ns)
    asked = spec["containers"][0]["resources"]
    bounded = {"nvidia.com/gpu": "8", "memory": "64Gi", "ephemeral-storage": "200Gi"}
    assert asked == {"requests": {"cpu": "8", **bounded}, "limits": bounded}
    assert spec["tolerations"] == [GPU_TAINT]
    (shm,) = [volume for volume in spec["volumes"] if volume["name"] == "shm"]
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Gi"}


def test_a_run_without_gpus_tolerates_no_gpu_nodes(ns: Namespace) -> None:
    ns.create("j", resources={"cpu": 1})
    spec = pod_spec(ns)
    assert "tolerations" not in spec
    assert "nodeSelector" not in spec
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("preset", "labels"),
    [
        (
            {"managedNodeGroup": {"name": "g", "capacityType": "SPOT",
                                  "instanceType": "g5.xlarge"}},
            {"eks.amazonaws.com/nodegroup": "g", "eks.amazonaws.com/capacityType": "SPOT",
             "node.kubernetes.io/instance-type": "g5.xlarge"},
        ),
        (
            {"karpenter": {"nodePool": "p", "capacityType": "spot", "instanceGpuName": "h100",
                           "instanceGpuCount": 8, "instanceType": "p5.48xlarge"}},
            {"karpenter.sh/nodepool": "p", "karpenter.sh/capacity-type": "spot",
             "karpenter.k8s.aws/instance-gpu-name": "h100",
             "karpenter.k8s.aws/instance-gpu-count": "8",
             "node.kubernetes.io/instance-type": "p5.48xlarge"},
        ),
    ],
    ids=["managed node group", "Karpenter"],
)  # fmt: skip
def test_a_preset_becomes_the_providers_node_labels(
    ns: Namespace, preset: Any, labels: dict[str, str]
) -> None:
    make_runtime(ns, pod={"nodePreset": preset, "nodeSelector": {"zone": "a", "disk": "ssd"}})
    ns.create("j", runtimeRef=TEAM, placement={"nodeSelector": {"zone": "b"}})
    assert pod_spec(ns)["nodeSelector"] == {**labels, "zone": "b", "disk": "ssd"}


def test_tolerations_of_runtime_and_job_add_up(ns: Namespace) -> None:
    spot = {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
    lost = {"key": "lost", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}
    make_runtime(ns, pod={"tolerations": [spot, GPU_TAINT]})
    ns.create("j", runtimeRef=TEAM, resources={"gpus": 1}, placement={"tolerations": [lost, spot]})
    assert pod_spec(ns)["tolerations"] == [GPU_TAINT, spot, lost]


def test_the_jobs_affinity_replaces_the_runtimes_and_the_topology_key_is_added(
    ns: Namespace,
) -> None:
    def zones(*values: str) -> Object:
        term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": list(values)}]}
        required = {"nodeSelectorTerms": [term]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}

    make_runtime(ns, pod={"affinity": zones("a")})
    key = "topology.kubernetes.io/zone"
    placement = {"affinity": zones("b", "c"), "topologyKey": key}
    created = ns.create("j", runtimeRef=TEAM, nodes=2, placement=placement)
    affinity = pod_spec(ns)["affinity"]
    assert affinity["nodeAffinity"] == zones("b", "c")["nodeAffinity"]
    (together,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    run = names.run_id(created["metadata"]["uid"])
    assert together == {
        "topologyKey": key, "labelSelector": {"matchLabels": {names.LABEL_RUN: run}},
    }  # fmt: skip


def test_a_runtime_class_and_a_priority_class_are_passed_on(ns: Namespace) -> None:
    make_runtime(ns, pod={"runtimeClassName": "nvidia"})
    priority = {"metadata": {"name": "research"}, "value": 1000}
    ns.api.call("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", priority)
    ns.create("j", runtimeRef=TEAM, placement={"priorityClassName": "research"})
    spec = pod_spec(ns)
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["priorityClassName"] == "research"


def test_an_affinity_that_no_pod_can_have_is_shown_on_the_job(ns: Namespace) -> None:
    ns.create("j", placement={"affinity": {"nodeAffinity": {"nonsense": 1}}, "topologyKey": "-"})
    refused = ns.reason("j", "Running", "ChildInvalid")
    assert "topologyKey" in refused["message"]
    assert condition(ns.status("j"), "Stalled")["reason"] == "ChildInvalid"
    assert ns.children() == []
    ns.edit("j", placement={"affinity": None, "topologyKey": "zone"})
    assert ns.child("j-a0")


def test_a_started_run_stays_where_it_was_put(ns: Namespace) -> None:
    ns.create("j")
    ns.phase("j", "Starting")
    with pytest.raises(ApiError, match=r"spec\.placement cannot change once the run has started"):
        ns.edit("j", placement={"nodeSelector": {"zone": "a"}})
