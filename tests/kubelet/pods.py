"""Small pods for tests of the node: a shell in an image of one file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hack.cluster.errors import ClusterError
from hack.cluster.waiting import wait_for
from hack.node.images import SHELL
from hack.node.real import RealCluster

Object = dict[str, Any]


class Namespace:
    """A namespace in which the restricted Pod Security Standard is enforced."""

    def __init__(self, cluster: RealCluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl(f"--namespace={self.name}", *arguments, stdin=stdin)

    def apply(self, *manifests: Object) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(items))

    def pod(self, name: str) -> Object:
        path = f"/api/v1/namespaces/{self.name}/pods/{name}"
        return self.cluster.control_plane.admin.find(path) or {}

    def wait_for_pod(
        self, name: str, until: Callable[[Object], Any], what: str, seconds: float = 60
    ) -> Object:
        def found() -> Object | None:
            pod = self.pod(name)
            return pod if pod and until(pod) else None

        try:
            return wait_for(found, f"pod {name} to be {what}", seconds, poll_seconds=0.2)
        except ClusterError as error:
            described = self.kubectl("describe", "pod", name)
            raise ClusterError(f"{error}\n{described[-3000:]}") from error

    def run(self, name: str, script: str, **fields: Any) -> Object:
        """Returns the pod once it has ended."""
        self.apply(shell_pod(name, script, **fields))
        return self.ended(name)

    def ended(self, name: str) -> Object:
        return self.wait_for_pod(
            name, lambda p: p["status"].get("phase") in ("Succeeded", "Failed"), "over"
        )

    def ready(self, name: str) -> Object:
        return self.wait_for_pod(name, is_ready, "ready")

    def log(self, name: str) -> str:
        return self.kubectl("logs", name)


@contextmanager
def restricted_namespace(cluster: RealCluster, prefix: str = "test") -> Iterator[Namespace]:
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    api = cluster.control_plane.admin
    api.request("POST", "/api/v1/namespaces", body)
    path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_for(lambda: api.find(path), f"the default service account of {name}")
    try:
        yield Namespace(cluster, name)
    finally:
        api.request("DELETE", f"/api/v1/namespaces/{name}", {"gracePeriodSeconds": 0})


def shell_pod(name: str, script: str, **fields: Any) -> Object:
    """A restricted pod; `container` holds further fields of its container."""
    container = {
        "name": "main",
        "image": SHELL,
        "args": ["-c", script],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        **fields.pop("container", {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            **fields,
        },
    }


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def terminated(pod: Object) -> Object:
    return dict(pod["status"]["containerStatuses"][0]["state"]["terminated"])
