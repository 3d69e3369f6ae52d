"""The child of an attempt: a batch/v1 Job that holds everything its pod needs."""

import hashlib
import json
from typing import Any, Final

from tenyson.controller import names, pods
from tenyson.controller.observed import Defaults, Job
from tenyson.controller.policies.adapter import Adapter
from tenyson.controller.resource import TenysonJobSpec

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


def child_job(
    job: Job, spec: TenysonJobSpec, attempt: int, adapter: Adapter | None, defaults: Defaults
) -> dict[str, Any]:
    """Returns the child Job of an attempt.

    Args:
        job: The TenysonJob that owns it.
        spec: Its spec.
        attempt: Number of the attempt, from 0.
        adapter: Adapter to start from; None for none.
        defaults: What the controller brings.
    """
    labels = {
        names.LABEL_JOB: job.name,
        names.LABEL_ATTEMPT: str(attempt),
        names.LABEL_RUN: job.run_id,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.child_name(job.name, attempt),
            "namespace": job.namespace,
            "labels": labels,
            "ownerReferences": [_owner(job)],
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _POD_FAILURE_POLICY,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        names.ANNOTATION_CONFIG: config_json(spec),
                        names.ANNOTATION_PROGRESS_CA: defaults.progress_ca,
                    },
                },
                "spec": pods.pod_spec(job, spec, attempt, adapter, defaults),
            },
        },
    }


def config_json(spec: TenysonJobSpec) -> str:
    """Returns the configuration as the runner reads it."""
    return json.dumps(spec.config, separators=(",", ":"))


def config_hash(spec: TenysonJobSpec) -> str:
    """Returns a hash of the configuration that does not depend on the order of its keys."""
    text = json.dumps(spec.config, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _owner(job: Job) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
