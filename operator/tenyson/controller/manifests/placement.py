"""Which nodes the pods go to: the job's wishes, the runtime's, a provider's labels."""

import copy
from typing import Any, Final

from tenyson.controller import names
from tenyson.controller.manifests.start import Start
from tenyson.controller.resource.placement import NodePreset

_GPU_TAINT: Final = {"key": "nvidia.com/gpu", "operator": "Exists"}
_LABELS: Final[dict[str, dict[str, str]]] = {
    "managed_node_group": {
        "name": "eks.amazonaws.com/nodegroup",
        "capacity_type": "eks.amazonaws.com/capacityType",
        "instance_type": "node.kubernetes.io/instance-type",
    },
    "karpenter": {
        "node_pool": "karpenter.sh/nodepool",
        "capacity_type": "karpenter.sh/capacity-type",
        "instance_gpu_name": "karpenter.k8s.aws/instance-gpu-name",
        "instance_gpu_count": "karpenter.k8s.aws/instance-gpu-count",
        "instance_type": "node.kubernetes.io/instance-type",
    },
}
"""The node labels that say what a preset says, by its fields' names."""


def placement(start: Start) -> dict[str, Any]:
    """Returns the fields of the pod's spec that decide about its node."""
    job, pod = start.run.spec.placement, start.run.pod
    found: dict[str, Any] = {
        "nodeSelector": {
            **preset_labels(pod.node_preset),
            **(pod.node_selector or {}),
            **job.node_selector,
        },
        "tolerations": _tolerations(start),
        "affinity": _affinity(start),
        # With a queue the name is a WorkloadPriorityClass's, and goes on the Job's label.
        "priorityClassName": "" if start.run.spec.queue_name else job.priority_class_name,
        "runtimeClassName": pod.runtime_class_name,
        "schedulerName": pod.scheduler_name,
    }
    return {name: value for name, value in found.items() if value}


def preset_labels(preset: NodePreset | None) -> dict[str, str]:
    """Returns the node labels that a preset stands for."""
    labels: dict[str, str] = {}
    for kind, keys in _LABELS.items():
        given = getattr(preset, kind, None)
        for field, label in keys.items():
            if (value := getattr(given, field, None)) is not None:
                labels[label] = str(value)
    return labels


def _tolerations(start: Start) -> list[dict[str, Any]]:
    given = [*(start.run.pod.tolerations or ()), *start.run.spec.placement.tolerations]
    found = [dict(_GPU_TAINT)] if start.run.spec.resources.gpus else []
    for toleration in given:
        shown = toleration.model_dump(by_alias=True, exclude_none=True)
        if shown not in found:
            found.append(shown)
    return found


def _affinity(start: Start) -> dict[str, Any]:
    job = start.run.spec.placement
    affinity = copy.deepcopy(job.affinity or start.run.pod.affinity or {})
    if job.topology_key:
        together = {
            "topologyKey": job.topology_key,
            "labelSelector": {"matchLabels": {names.LABEL_RUN: start.job.run_id}},
        }
        terms = affinity.setdefault("podAffinity", {})
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        terms[required] = [*(terms.get(required) or ()), together]
    return affinity
