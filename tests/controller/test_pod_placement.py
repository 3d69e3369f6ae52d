"""Which nodes a pod may go to, and what it finds there: whose word wins."""

from typing import Any

import pytest

from tenyson.controller import names
from tests.controller.starts import RUN, Body, pod_of


@pytest.mark.parametrize(
    ("preset", "labels"),
    [
        ({"managedNodeGroup": {"name": "g"}}, {"eks.amazonaws.com/nodegroup": "g"}),
        (
            {"managedNodeGroup": {"capacityType": "SPOT", "instanceType": "g5.xlarge"}},
            {"eks.amazonaws.com/capacityType": "SPOT",
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
)  # fmt: skip
def test_a_preset_is_the_providers_labels(preset: Any, labels: Any) -> None:
    assert pod_of({"pod": {"nodePreset": preset}})["nodeSelector"] == labels


def test_of_node_labels_the_jobs_own_win_then_the_runtimes_then_the_presets() -> None:
    preset = {"karpenter": {"nodePool": "preset", "capacityType": "spot"}}
    runtime = {
        "pod": {
            "nodePreset": preset,
            "nodeSelector": {"karpenter.sh/nodepool": "runtime", "zone": "runtime"},
        }
    }
    assert pod_of(runtime, placement={"nodeSelector": {"zone": "job"}})["nodeSelector"] == {
        "karpenter.sh/nodepool": "runtime", "karpenter.sh/capacity-type": "spot", "zone": "job",
    }  # fmt: skip


def test_tolerations_add_up_without_repeating() -> None:
    gpu = {"key": "nvidia.com/gpu", "operator": "Exists"}
    mine, theirs = {"key": "a", "operator": "Exists"}, {"key": "b", "value": "c"}
    pod = pod_of(
        {"pod": {"tolerations": [gpu, theirs]}},
        resources={"gpus": 1}, placement={"tolerations": [mine, theirs]},
    )  # fmt: skip
    assert pod["tolerations"] == [gpu, theirs, mine]
    assert "tolerations" not in pod_of()


def test_a_jobs_affinity_takes_the_runtimes_place_and_the_topology_joins_it() -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    theirs: Body = {"podAffinity": {required: [{"topologyKey": "rack"}]}}
    runtime = {"pod": {"affinity": theirs}}
    zone = {"topologyKey": "zone", "labelSelector": {"matchLabels": {names.LABEL_RUN: RUN}}}
    together = pod_of(runtime, placement={"topologyKey": "zone"})["affinity"]
    assert together["podAffinity"][required] == [{"topologyKey": "rack"}, zone]
    assert theirs == {"podAffinity": {required: [{"topologyKey": "rack"}]}}, "it is shared"
    own = pod_of(runtime, placement={"affinity": {"nodeAffinity": {"x": 1}}})["affinity"]
    assert own == {"nodeAffinity": {"x": 1}}
    assert "affinity" not in pod_of()


def test_the_scheduler_and_the_runtime_class_are_the_runtimes() -> None:
    pod = pod_of({"pod": {"schedulerName": "volcano", "runtimeClassName": "nvidia"}})
    assert (pod["schedulerName"], pod["runtimeClassName"]) == ("volcano", "nvidia")


# Its volumes


def volumes_of(pod: Body) -> Body:
    return {volume.pop("name"): volume for volume in pod["volumes"]}


def test_outputs_go_to_the_claim_and_without_one_they_vanish_with_the_pod() -> None:
    kept = volumes_of(pod_of(output={"volumeClaim": "data"}))["output"]
    assert kept == {"persistentVolumeClaim": {"claimName": "data"}}
    assert volumes_of(pod_of())["output"] == {"emptyDir": {}}


def test_shared_memory_is_a_volume_in_memory_of_the_size_asked_for() -> None:
    pod = pod_of(resources={"sharedMemory": "16Gi"})
    assert {"name": "shm", "mountPath": "/dev/shm"} in pod["containers"][0]["volumeMounts"]
    assert volumes_of(pod)["shm"] == {"emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    assert "shm" not in volumes_of(pod_of())


def test_the_token_is_of_an_audience_of_its_own() -> None:
    (source,) = volumes_of(pod_of())["progress-token"]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "tenyson.dev/progress"


def test_a_runtimes_volumes_come_after_ours() -> None:
    runtime = {
        "pod": {
            "volumes": [{"name": "cache", "hostPath": {"path": "/cache"}}],
            "volumeMounts": [{"name": "cache", "mountPath": "/cache", "readOnly": True}],
        }
    }
    pod = pod_of(runtime)
    assert pod["volumes"][-1] == {"name": "cache", "hostPath": {"path": "/cache"}}
    mount = {"name": "cache", "mountPath": "/cache", "readOnly": True}
    assert pod["containers"][0]["volumeMounts"][-1] == mount


def test_every_mount_has_its_volume() -> None:
    pod = pod_of(resources={"sharedMemory": "1Gi"})
    mounted = [mount["name"] for mount in pod["containers"][0]["volumeMounts"]]
    assert mounted == [volume["name"] for volume in pod["volumes"]]
