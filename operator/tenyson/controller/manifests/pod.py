"""The pod of an attempt: command line, resources, and as few rights as can be."""

from typing import Any, Final

from tenyson.contract import PodPath
from tenyson.controller import names
from tenyson.controller.manifests.environment import environment, grace_seconds
from tenyson.controller.manifests.literal import literal
from tenyson.controller.manifests.placement import placement
from tenyson.controller.manifests.start import Start
from tenyson.controller.manifests.volumes import mounts, volumes
from tenyson.controller.resource.spec import Resources

_USER: Final = 65532


def pod_spec(start: Start) -> dict[str, Any]:
    """Returns the pod's spec; by default it satisfies the restricted Pod Security Standard."""
    defaults = start.run.pod
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace_seconds(start),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            # Without this a kubelet walks the whole claim at every start to change its group.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
            **(defaults.security_context or {}),
        },
        "containers": [_container(start)],
        "volumes": volumes(start.run),
        **placement(start),
    }
    if start.run.spec.nodes > 1:
        pod["subdomain"] = start.child_name
    if secrets := start.run.runtime.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in secrets]
    if defaults.service_account_name:
        pod["serviceAccountName"] = defaults.service_account_name
    return pod


def _container(start: Start) -> dict[str, Any]:
    return {
        "name": names.CONTAINER,
        "image": start.run.image,
        "args": [
            "--job-type", start.run.spec.type.lower(),
            "--config", PodPath.CONFIG,
            "--task-module", literal(start.run.spec.task),
        ],
        "env": environment(start),
        "resources": _resources(start.run.spec.resources),
        "volumeMounts": mounts(start.run),
        "terminationMessagePath": PodPath.TERMINATION_LOG,
        # A runner that dies before it can write its result leaves its last lines instead.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            **(start.run.pod.container_security_context or {}),
        },
    }  # fmt: skip


def _resources(resources: Resources) -> dict[str, dict[str, str]]:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if resources.cpu is not None:
        requests["cpu"] = str(resources.cpu)
    bounded = {"memory": resources.memory, "ephemeral-storage": resources.ephemeral_storage}
    if resources.gpus:
        bounded["nvidia.com/gpu"] = resources.gpus
    for name, quantity in bounded.items():
        if quantity is not None:
            requests[name] = limits[name] = str(quantity)
    return {name: part for name, part in (("requests", requests), ("limits", limits)) if part}
