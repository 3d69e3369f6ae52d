"""What tests against a local cluster share; plain functions, for fixtures of any scope."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hack.cluster.admin import AdminApi
from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.waiting import wait_for

Object = dict[str, Any]

_PATHS = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "PersistentVolume": "/api/v1/persistentvolumes",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


class Namespace:
    """A namespace of one test."""

    def __init__(self, cluster: LocalCluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    @property
    def api(self) -> AdminApi:
        """Requests as the admin."""
        return self.cluster.control_plane.admin

    def path(self, kind: str, name: str = "") -> str:
        """The API path of a kind in this namespace, or of one object."""
        return _PATHS[kind].format(self.name) + (f"/{name}" if name else "")

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """The object as created."""
        answer: Object = self.api.request("POST", self.path(manifest["kind"]), manifest)
        return answer

    def find(self, kind: str, name: str) -> Object | None:
        """The object, or None."""
        return self.api.find(self.path(kind, name))

    def delete(self, kind: str, name: str, grace_seconds: int | None = None) -> None:
        """Ask for the object's deletion."""
        options: Object = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        self.api.request("DELETE", self.path(kind, name), options)

    def wait(
        self,
        kind: str,
        name: str,
        condition: Callable[[Object], Any],
        what: str,
        timeout_seconds: float = 30.0,
    ) -> Object:
        """The object, as soon as the condition holds for it."""

        def found() -> Object | None:
            value = self.find(kind, name)
            return value if value is not None and condition(value) else None

        try:
            return wait_for(found, f"{kind} {name} {what}", timeout_seconds, poll_seconds=0.1)
        except ClusterError as error:
            raise ClusterError(f"{error}; it is {self.find(kind, name)}") from error

    def wait_until_gone(self, kind: str, name: str, timeout_seconds: float = 30.0) -> None:
        """Return once the object does not exist."""
        text = f"{kind} {name} to be gone"
        wait_for(lambda: self.find(kind, name) is None, text, timeout_seconds, poll_seconds=0.1)

    def wait_for_phase(self, pod: str, *phases: str, timeout_seconds: float = 30.0) -> Object:
        """The pod, as soon as it is in one of the phases."""
        return self.wait(
            "Pod",
            pod,
            lambda value: value["status"].get("phase") in phases,
            f"to be {' or '.join(phases)}",
            timeout_seconds,
        )

    def pods(self, selector: str) -> list[Object]:
        """The pods that a label selector matches."""
        answer = self.api.request("GET", f"{self.path('Pod')}?labelSelector={selector}")
        return list(answer["items"])


@contextmanager
def new_namespace(cluster: LocalCluster) -> Iterator[Namespace]:
    """A namespace of its own, ready for pods; it is deleted afterwards, without a wait."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    api = cluster.control_plane.admin
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.request("POST", "/api/v1/namespaces", body)
    path = f"/api/v1/namespaces/{name}"
    for needed in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        wait_for(lambda needed=needed: api.find(f"{path}/{needed}"), f"{needed} of {name}")  # type: ignore[misc]
    try:
        yield Namespace(cluster, name)
    finally:
        if api.find(path) is not None:
            api.request("DELETE", path, {"gracePeriodSeconds": 0})


def shell_pod(name: str, script: str, **spec: Any) -> Object:
    """A pod with one container, `main`, that runs a shell script.

    Args:
        name: the pod's name.
        script: what `/bin/sh -c` runs.
        spec: fields of the pod's spec; `container` holds further fields of the container.
    """
    further = spec.pop("container", {})
    container = {"name": "main", "image": "none", "command": ["/bin/sh", "-c", script], **further}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


def main_state(pod: Object) -> Object:
    """The state of the pod's first container; empty before there is one."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    return dict(statuses[0].get("state") or {})


def terminated(pod: Object) -> Object:
    """How the pod's first container ended; empty while it has not."""
    return dict(main_state(pod).get("terminated") or {})
