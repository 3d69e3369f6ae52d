"""Tenyson as the chart installs it on the real cluster, and jobs of tests on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hack.cluster.errors import ClusterError
from hack.cluster.waiting import wait_for
from hack.node.real import RealCluster
from tests.kubelet.pods import Namespace, Object, restricted_namespace
from tests.quick_jobs import quick_job

ROOT = Path(__file__).parents[2]
USER = 65532
CLAIM = "tenyson-runs"
TASK = "/tenyson/output/task/sum_task.py:SumTask"  # on the claim, as a pod sees it
GREEDY_TASK = "/tenyson/output/task/greedy_task.py:GreedyTask"
LONG: Object = {
    "training": {"max_steps": 4000, "learning_rate": 0.001, "logging_steps": 10},
    "checkpoint": {"every_steps": 20, "every_seconds": None},
}
"""Long enough to be interrupted, with checkpoints to go on from."""


class Research:
    """A restricted namespace with a claim, in which TenysonJobs run."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        self.cluster = namespace.cluster

    def apply(
        self, name: str, kind: str = "SFT", config: Object | None = None, **spec: Any
    ) -> None:
        """Applies a quick TenysonJob; `config` replaces sections' fields."""
        usual: Object = {
            "task": TASK,
            "resources": {"cpu": "400m", "memory": "2Gi"},
            "output": {"volumeClaim": CLAIM},
        }
        self.namespace.apply(quick_job(name, kind, config, **(usual | spec)))

    def patch(self, name: str, **spec: Any) -> None:
        text = json.dumps({"spec": spec})
        self.namespace.kubectl("patch", "tj", name, "--type=merge", "-p", text)

    def job(self, name: str) -> Object:
        group = "/apis/tenyson.dev/v1alpha1/namespaces"
        path = f"{group}/{self.namespace.name}/tenysonjobs/{name}"
        return self.cluster.control_plane.admin.find(path) or {}

    def wait(
        self, name: str, until: Callable[[Object], Any], what: str, seconds: float = 600
    ) -> Object:
        """Returns the job's status once the condition holds for it."""

        def status() -> Object | None:
            found: Object = self.job(name).get("status") or {}
            if until(found):
                return found
            assert found.get("phase") != "Failed", found
            return None

        try:
            return wait_for(status, f"{name} to be {what}", seconds, poll_seconds=0.5)
        except ClusterError as error:
            pods = self.namespace.kubectl("describe", "pods", "-l", f"tenyson.dev/job={name}")
            shown = json.dumps(self.job(name).get("status"), indent=1)
            raise ClusterError(f"{error}; it is {shown}\n{pods[-4000:]}") from error

    def succeeded(self, name: str, seconds: float = 600) -> Object:
        return self.wait(name, lambda s: s.get("phase") == "Succeeded", "Succeeded", seconds)

    def wait_for_phase(self, name: str, phase: str, seconds: float = 600) -> Object:
        return self.wait(name, lambda s: s.get("phase") == phase, phase, seconds)

    def wait_for_checkpoint(self, name: str) -> None:
        """Returns once the run can be interrupted without losing all that it did."""
        self.wait(name, lambda s: (s.get("progress") or {}).get("checkpointStep"), "saved")

    def pods(self, name: str, attempt: int = 0) -> list[Object]:
        selector = f"tenyson.dev/job={name},tenyson.dev/attempt={attempt}"
        found = self.namespace.kubectl("get", "pods", "-l", selector, "-o", "json")
        return list(json.loads(found)["items"])

    def pod_name(self, name: str, attempt: int = 0) -> str:
        [pod] = self.pods(name, attempt)
        return str(pod["metadata"]["name"])

    def output(self, name: str) -> Path:
        """The run's output folder as seen from here."""
        run_id = self.job(name)["status"]["runId"]
        return self.folder / self.namespace.name / f"{name}-{run_id[:8]}"


@contextmanager
def research(cluster: RealCluster, prefix: str, model: Path) -> Iterator[Research]:
    """A restricted namespace with a claim on a folder of this machine, which all nodes see."""
    with restricted_namespace(cluster, prefix) as namespace:
        folder = cluster.state_dir / "runs" / namespace.name
        shutil.copytree(model, folder / "model")
        (folder / "task").mkdir()
        for task in ("runtime/sum_task.py", "kubelet/greedy_task.py"):
            shutil.copy(ROOT / "tests" / task, folder / "task")
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, USER, USER)  # a kubelet leaves a host's folder as it is
        namespace.apply(*_claim(namespace.name, folder))
        yield Research(namespace, folder)


def condition(status: Object, kind: str) -> Object:
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


def _claim(namespace: str, folder: Path) -> tuple[Object, Object]:
    name = f"{CLAIM}-{namespace}"
    spec = {
        "storageClassName": "",
        "accessModes": ["ReadWriteMany"],
    }
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            **spec,
            "capacity": {"storage": "5Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"name": CLAIM, "namespace": namespace},
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {**spec, "volumeName": name, "resources": {"requests": {"storage": "5Gi"}}},
    }
    return volume, claim
