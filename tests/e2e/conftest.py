"""Everything at once: control plane, node, PostgreSQL, the operator, and runners that train."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.node_process import NodeOptions
from hack.cluster.waiting import wait_for
from hack.demo import resources
from hack.demo.controller import DemoController
from hack.demo.target import local_target, runner_images
from tests.quick_jobs import quick_job
from tests.tiny_model import make_tiny_model

ROOT = Path(__file__).parents[2]
TASK = f"{ROOT}/tests/runtime/sum_task.py:SumTask"
JOBS = f"/apis/tenyson.dev/v1alpha1/namespaces/{resources.NAMESPACE}/tenysonjobs"
Object = dict[str, Any]


class Stack:
    """A running cluster with the operator; jobs are made and followed through its API."""

    def __init__(self, cluster: LocalCluster, controller: DemoController) -> None:
        self.cluster = cluster
        self.controller = controller
        self.runs = cluster.state_dir / "runs"

    def start_controller(self) -> None:
        self.controller.start(local_target(self.cluster))

    def apply(self, name: str, kind: str, config: Object | None = None, **spec: Any) -> None:
        """Applies a quick TenysonJob; `config` replaces sections' fields."""
        usual: Object = {
            "task": TASK,
            "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            "output": {"volumeClaim": resources.CLAIM},
        }
        body = quick_job(name, kind, config, **(usual | spec))
        self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    def patch(self, name: str, **spec: Any) -> None:
        text = json.dumps({"spec": spec})
        self.cluster.kubectl("patch", "tj", name, "--type=merge", "-p", text)

    def job(self, name: str) -> Object:
        found: Object | None = self.cluster.control_plane.admin.find(f"{JOBS}/{name}")
        return found or {}

    def wait(
        self,
        name: str,
        until: Callable[[Object], Any],
        what: str,
        seconds: float = 240,
        *,
        fails: bool = False,
    ) -> Object:
        """Returns the job's status once the condition holds for it.

        Args:
            name: The job's.
            until: The condition.
            what: The condition in words.
            seconds: To wait at most.
            fails: Whether the job may fail meanwhile.
        """

        def status() -> Object | None:
            found: Object = self.job(name).get("status") or {}
            if until(found):
                return found
            assert fails or found.get("phase") != "Failed", found
            return None

        try:
            return wait_for(status, f"{name} to be {what}", seconds, poll_seconds=0.2)
        except ClusterError as error:
            pods = self.cluster.kubectl("get", "pods", "-o", "wide")
            raise ClusterError(f"{error}; it is {self.job(name)}\n{pods}") from error

    def succeeded(self, name: str) -> Object:
        return self.wait(name, lambda s: s.get("phase") == "Succeeded", "Succeeded")

    def wait_for_phase(self, name: str, phase: str, seconds: float = 240) -> Object:
        return self.wait(name, lambda s: s.get("phase") == phase, phase, seconds)

    def output(self, name: str) -> Path:
        """Returns the run's output folder, made by its first pod."""
        run_id = self.job(name)["status"]["runId"]
        return self.runs / resources.NAMESPACE / f"{name}-{run_id[:8]}"

    def wait_for_checkpoint(self, name: str) -> None:
        folder = self.output(name)
        wait_for(
            lambda: list(folder.glob("attempt-*/checkpoint-*")),
            f"a checkpoint in {folder}",
            240,
        )

    def pod(self, name: str, attempt: int = 0) -> Object:
        path = f"/api/v1/namespaces/{resources.NAMESPACE}/pods"
        pods: list[Object] = self.cluster.control_plane.admin.find(path)["items"]
        child = f"{name}-a{attempt}"
        return next(pod for pod in pods if pod["metadata"]["name"].startswith(child))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    state = tmp_path_factory.mktemp("e2e")
    options = NodeOptions(images=runner_images())
    with LocalCluster(state, node=True, postgres=True, node_options=options) as cluster:
        cluster.kubectl("apply", "-f", str(ROOT / "crds"))
        runs = cluster.state_dir / "runs"
        make_tiny_model(runs / "model")
        for wanted in (resources.host_volume(runs), resources.volume_claim("demo")):
            cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))
        stack = Stack(cluster, DemoController(cluster.state_dir))
        stack.start_controller()
        yield stack
        stack.controller.stop()
