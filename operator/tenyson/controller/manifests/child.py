"""The child of an attempt: a batch/v1 Job that holds everything its pods need."""

import hashlib
import json
from typing import Any, Final

from tenyson.controller import names
from tenyson.controller.manifests import pod
from tenyson.controller.manifests.start import Start
from tenyson.controller.policies.pins import NOTHING
from tenyson.controller.run_spec import RunSpec

_POD_FAILURE_POLICY: Final = {
    # Every failure ends the Job: the next attempt is ours to make. The rules are there for their
    # messages, which name the exit code or the disruption even when the pod is gone.
    "rules": [
        {
            "action": "FailJob",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": names.CONTAINER,
                "operator": "NotIn",
                "values": [0],
            },
        },
    ]
}
_STAY: Final = {
    # Moving a run costs what it did since its last checkpoint, so nothing tidies it away.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}


def objects(start: Start) -> tuple[dict[str, Any], ...]:
    """Returns what an attempt needs, in the order in which it is to be created."""
    if start.run.spec.nodes > 1:
        return headless_service(start), child_job(start)
    return (child_job(start),)


def child_job(start: Start) -> dict[str, Any]:
    """Returns the Job of an attempt."""
    annotations = {} if start.pinned == NOTHING else {names.ANNOTATION_PINNED: start.pinned}
    nodes = start.run.spec.nodes
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": start.child_name,
            "namespace": start.job.namespace,
            "labels": {**start.labels, **_queue_labels(start.run)},
            "annotations": annotations,
            "ownerReferences": [start.owner],
        },
        "spec": {
            "completions": nodes,
            "parallelism": nodes,
            **({"completionMode": "Indexed"} if nodes > 1 else {}),
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            **_ended_by(start.run),
            "template": {
                "metadata": {
                    "labels": {**(start.run.pod.labels or {}), **start.labels},
                    "annotations": {
                        **_STAY,
                        **(start.run.pod.annotations or {}),
                        names.ANNOTATION_CONFIG: config_json(start.run),
                        names.ANNOTATION_PROGRESS_CA: start.defaults.progress_ca,
                    },
                },
                "spec": pod.pod_spec(start),
            },
        },
    }


def headless_service(start: Start) -> dict[str, Any]:
    """Returns the Service by whose name the pods of an attempt find each other."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": start.child_name,
            "namespace": start.job.namespace,
            "labels": start.labels,
            "ownerReferences": [start.owner],
        },
        "spec": {
            "clusterIP": "None",
            # Pods must find rank 0 before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": start.labels,
        },
    }


def config_json(run: RunSpec) -> str:
    """Returns the configuration as the runner reads it."""
    return json.dumps(run.config, separators=(",", ":"))


def config_hash(run: RunSpec) -> str:
    """Returns a hash of the configuration that does not depend on the order of its keys."""
    text = json.dumps(run.config, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ended_by(run: RunSpec) -> dict[str, Any]:
    if run.spec.queue_name is None:
        return {"podFailurePolicy": _POD_FAILURE_POLICY}
    # A queue takes a run back by suspending its Job. The Job controller does not count the pods
    # that it deletes then, but would still hold their exit codes against a podFailurePolicy.
    # The queue also lifts the suspension: after the creation it is never ours to write.
    return {"suspend": True}


def _queue_labels(run: RunSpec) -> dict[str, str]:
    queue, priority = run.spec.queue_name, run.spec.placement.priority_class_name
    if queue is None:
        return {}
    labels = {names.LABEL_QUEUE: queue}
    return {**labels, names.LABEL_PRIORITY: priority} if priority else labels
