"""TenysonJobs of a namespace, with real runners that last as long as a test wants."""

from __future__ import annotations

import datetime
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.waiting import wait_for

Object = dict[str, Any]
ROOT = Path(__file__).parents[3]
CLAIM = "tenyson-runs"
STEPS = 4
TASK = f"{Path(__file__).parent / 'gated_task.py'}:GatedTask"
CONFIG = {
    "model": {"name": "/tenyson/output/model"},  # on the claim, as a pod sees it
    "adapter": {"r": 4},
    "data": {"max_length": 32},
    "training": {"max_steps": STEPS, "learning_rate": 0.01},
}
_SIZE = {"storage": "5Gi"}
SECONDS = 480.0
"""For a run's start or its end: a runner imports for ten seconds, and the machine may be busy."""


def apply(cluster: LocalCluster, *objects: Object) -> None:
    """Applies objects as a person would."""
    body = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(body))


class Jobs:
    """A namespace with a claim for the runs' output."""

    def __init__(self, cluster: LocalCluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self._runs = cluster.state_dir / "runs" / namespace
        self._api = cluster.control_plane.admin

    def prepare(self) -> Jobs:
        """Makes the namespace and the claim, with a folder of this machine behind it."""
        metadata = {"name": self.namespace}
        apply(self.cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        volume(self.cluster, self.namespace)
        apply(self.cluster, _claim(self.namespace))
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        wait_for(lambda: self._api.find(account), f"the service account of {self.namespace}")
        return self

    def apply(self, name: str, **spec: Any) -> None:
        """Applies a TenysonJob that trains once `release` lets it."""
        body: Object = {
            "type": "SFT",
            "task": TASK,
            "config": CONFIG,
            "env": [
                {"name": "OMP_NUM_THREADS", "value": "1"},
                {"name": "GATE", "value": f"/tenyson/output/gate-{name}"},
            ],
            "output": {"volumeClaim": CLAIM},
        }
        metadata = {"name": name, "namespace": self.namespace}
        kind = {"apiVersion": "tenyson.dev/v1alpha1", "kind": "TenysonJob"}
        apply(self.cluster, {**kind, "metadata": metadata, "spec": {**body, **spec}})

    def release(self, name: str) -> None:
        """Lets the job's training begin."""
        (self._runs / f"gate-{name}").touch()

    def job(self, name: str) -> Object:
        """Returns the TenysonJob; empty where there is none."""
        path = f"/apis/tenyson.dev/v1alpha1/namespaces/{self.namespace}/tenysonjobs/{name}"
        found: Object | None = self._api.find(path)
        return found or {}

    def status(self, name: str) -> Object:
        """Returns its status."""
        return dict(self.job(name).get("status") or {})

    def wait(
        self, name: str, until: Callable[[Object], Any], what: str, seconds: float = SECONDS
    ) -> Object:
        """Returns the job's status once the condition holds for it."""

        def found() -> Object | None:
            status = self.status(name)
            return status if until(status) else None

        try:
            return wait_for(found, f"{name} to be {what}", seconds, poll_seconds=0.1)
        except ClusterError as error:
            pods = self.cluster.kubectl("get", "pods", "-A", "-o", "wide")
            raise ClusterError(f"{error}; it is {self.job(name)}\n{pods}") from error

    def phase(self, name: str, phase: str) -> Object:
        """Returns the job's status once it is in the phase."""
        return self.wait(name, lambda status: status.get("phase") == phase, phase)

    def running_pod(self, name: str) -> str:
        """Returns the uid of the job's pod, once it runs."""
        self.phase(name, "Running")
        (pod,) = self._pods(name)
        return str(pod["metadata"]["uid"])

    def pods(self, name: str) -> list[str]:
        """Returns the uids of all pods that the job has, of any attempt."""
        return [pod["metadata"]["uid"] for pod in self._pods(name)]

    def pod_phase(self, name: str, phase: str) -> str:
        """Returns the uid of the job's only pod, once it is in a phase."""

        def found() -> str:
            (pod,) = self._pods(name)
            return str(pod["metadata"]["uid"]) if pod["status"].get("phase") == phase else ""

        return wait_for(found, f"the pod of {name} to be {phase}", SECONDS)

    def finish(self, name: str) -> Object:
        """Lets the job train, and returns its status once it has succeeded."""
        self.release(name)
        return self.phase(name, "Succeeded")

    def seconds_to_first_child(self, name: str, since: float, limit: float = SECONDS) -> float:
        """Returns how long after a moment (`time.monotonic`) the job's first child is there."""
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}-a0"
        wait_for(lambda: self._api.find(path), f"the first child of {name}", limit)
        return time.monotonic() - since

    def _pods(self, name: str) -> list[Object]:
        selector = f"tenyson.dev/job={name}"
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}"
        found: list[Object] = self._api.request("GET", path)["items"]
        return found


def went_on_undisturbed(status: Object) -> bool:
    """Whether the first attempt of a run was its only one, and has done all its steps."""
    classes = [attempt["class"] for attempt in status["attempts"]]
    return classes == ["Completed"] and status["result"]["globalStep"] == STEPS


def volume(cluster: LocalCluster, namespace: str) -> Path:
    """Makes the volume behind a namespace's claim: the folder of this machine that is returned."""
    folder = cluster.state_dir / "runs" / namespace
    if not folder.exists():
        shutil.copytree(cluster.state_dir / "model", folder / "model")
    spec = {
        "capacity": _SIZE,
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"name": CLAIM, "namespace": namespace},
        "hostPath": {"path": str(folder)},
    }
    metadata = {"name": f"{CLAIM}-{namespace}"}
    apply(
        cluster,
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec},
    )
    return folder


def _claim(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": _SIZE}},
    }


def now() -> str:
    """Returns the time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
