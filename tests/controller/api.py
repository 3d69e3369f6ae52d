"""The test's side of the cluster: a client, a kubelet played by hand, the operator process."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from hack import played_pods
from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.builders import condition, job_spec
from tests.controller.client import Api, ApiError, eventually

__all__ = ["Api", "ApiError", "Namespace", "OperatorProcess", "eventually", "index_of", "result"]

PROGRESS_SECONDS = 1
"""How often the operators of tests write progress at most."""


class Namespace:
    """A namespace of one test, with what tests do in it."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name
        self.core = f"/api/v1/namespaces/{name}"
        self.jobs_path = f"/apis/{names.API_VERSION}/namespaces/{name}/{names.PLURAL}"
        self.batch = f"/apis/batch/v1/namespaces/{name}"

    # TenysonJobs

    def create(self, job: str, **spec: Any) -> Object:
        return self.api.call("POST", self.jobs_path, self.manifest(job, **spec))

    def manifest(self, job: str, **spec: Any) -> Object:
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": job, "namespace": self.name},
            "spec": job_spec(**spec),
        }

    def edit(self, job: str, **spec: Any) -> Object:
        return self.api.merge(f"{self.jobs_path}/{job}", {"spec": spec})

    def job(self, job: str) -> Object | None:
        return self.api.get(f"{self.jobs_path}/{job}")

    def status(self, job: str) -> Object:
        """Returns the status as the controller wrote it; empty before it did."""
        status = (self.job(job) or {}).get("status", {})
        return status if "conditions" in status else {}

    def phase(self, job: str, phase: str, **where: Any) -> Object:
        """Waits for a phase, and returns the status."""

        def reached() -> Object | None:
            status = self.status(job)
            matches = all(status.get(name) == value for name, value in where.items())
            return status if status.get("phase") == phase and matches else None

        try:
            return eventually(reached)
        except AssertionError as error:
            raise AssertionError(f"{job} is not {phase} {where}: {self.status(job)}") from error

    def reason(self, job: str, kind: str, reason: str) -> Object:
        """Waits for a condition's reason, and returns the condition."""

        def reached() -> Object | None:
            found = condition({"conditions": [], **self.status(job)}, kind)
            return found if found.get("reason") == reason else None

        try:
            return eventually(reached)
        except AssertionError as error:
            status = self.status(job)
            raise AssertionError(f"{job} is not {kind} for {reason}: {status}") from error

    def events(self, reason: str) -> list[Object]:
        found = self.api.call("GET", f"{self.core}/events")["items"]
        return [event for event in found if event["reason"] == reason]

    # Children

    def children(self) -> list[str]:
        found = self.api.call("GET", f"{self.batch}/jobs")["items"]
        return sorted(job["metadata"]["name"] for job in found)

    def child(self, name: str) -> Object:
        return eventually(lambda: self.api.get(f"{self.batch}/jobs/{name}"))

    def pod(self, child: str) -> Object:
        """Waits for the pod of a child."""
        path = f"{self.core}/pods?labelSelector=batch.kubernetes.io/job-name={child}"
        return dict(eventually(lambda: self.api.call("GET", path)["items"])[0])

    def live_pods(self, child: str) -> list[Object]:
        """Returns the pods of a child that have not ended and are not going away, by index."""
        path = f"{self.core}/pods?labelSelector=batch.kubernetes.io/job-name={child}"
        return sorted(filter(_is_live, self.api.call("GET", path)["items"]), key=index_of)

    def pods(self, child: str, count: int = 1) -> list[Object]:
        """Waits for so many live pods of a child, and returns them by index."""

        def found() -> list[Object] | None:
            pods = self.live_pods(child)
            return pods if len(pods) == count else None

        return eventually(found)

    # The kubelet

    def run_pod(self, child: str) -> Object:
        """Binds the pod of a child and lets it run."""
        return self.run(self.pod(child))

    def end_pod(self, child: str, code: int, message: str = "", **more: Any) -> Object:
        """Lets the container of a child's pod end."""
        return self.end(self.pod(child), code, message, **more)

    def run_to_end(self, child: str, code: int, message: str = "", **more: Any) -> None:
        self.run_pod(child)
        self.end_pod(child, code, message, **more)

    def remove_pod(self, child: str) -> None:
        """Removes a terminating pod at last, as a kubelet does once its processes are gone.

        One that has ended may be gone by itself.
        """
        path = f"{self.core}/pods?labelSelector=batch.kubernetes.io/job-name={child}"
        for pod in self.api.call("GET", path)["items"]:
            self.remove(pod)

    def is_stopping(self, child: str) -> bool:
        return "deletionTimestamp" in self.pod(child)["metadata"]

    def run(self, pod: Object, node: str = "played") -> Object:
        """Binds a pod and lets it run."""
        path = played_pods.path_of(pod)
        self.api.call("POST", f"{path}/binding", played_pods.binding(pod, node))
        return self.api.merge(f"{path}/status", played_pods.running())

    def end(self, pod: Object, code: int, message: str = "", **more: Any) -> Object:
        """Lets a pod's container end."""
        ended = played_pods.ended(code, message, **more)
        return self.api.merge(f"{played_pods.path_of(pod)}/status", ended)

    def remove(self, pod: Object) -> None:
        """Removes a pod without its grace period; one that has ended may be gone by itself."""
        try:
            self.api.call("DELETE", played_pods.path_of(pod), {"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.status != 404:
                raise

    def set_pod(self, pod: Object, phase: str, state: Object, **more: Any) -> Object:
        status = played_pods.status(phase, state, **more)
        return self.api.merge(f"{played_pods.path_of(pod)}/status", status)

    def token(self, pod: Object, audience: str) -> str:
        """Returns a token as the kubelet would project it into a pod."""
        body = played_pods.token_request(pod, audience)
        answer = self.api.call("POST", f"{self.core}/serviceaccounts/default/token", body)
        return str(answer["status"]["token"])


def _is_live(pod: Object) -> bool:
    ended = pod["status"].get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def index_of(pod: Object) -> int:
    """Returns a pod's completion index; 0 for a run's only pod."""
    return int((pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_INDEX, 0))


def result(**changes: Any) -> str:
    """Returns the termination message of a run that went well."""
    return json.dumps(
        {"run_id": "r", "status": "success", "total_time_seconds": 1.5, "global_step": 4,
         "metrics": {"train_loss": 0.25}, "adapter_sha256": "ab" * 32, **changes}
    )  # fmt: skip


@dataclass
class OperatorProcess:
    """The operator as people run it, by `kopf run`, or as a container does."""

    kubeconfig: Path
    log: Path
    liveness_port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    as_container: bool = False

    def start(self) -> None:
        kopf = str(Path(sys.executable).with_name("kopf"))
        command = [kopf, "run", "--all-namespaces", "--standalone", "-m", "tenyson.controller"]
        if self.as_container:
            command = [sys.executable, "-m", "tenyson.controller"]
        command.append(f"--liveness=http://127.0.0.1:{self.liveness_port}/healthz")
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "TENYSON_RUNNER_IMAGE": "runner:test",
            "TENYSON_PROGRESS_PORT": "0",
            "TENYSON_PROGRESS_INTERVAL": str(PROGRESS_SECONDS),
            "TENYSON_METRICS_PORT": "0",
            # One that is killed takes back its own lease, as a pod's next container does.
            "POD_NAME": "operator",
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kills it as a lost node would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(20)

    def restart(self) -> None:
        self.kill()
        self.start()

    def health(self) -> Object | None:
        try:
            pool = urllib3.PoolManager(retries=False)
            answer = pool.request("GET", f"http://127.0.0.1:{self.liveness_port}/healthz")
        except urllib3.exceptions.HTTPError:
            return None
        return dict(json.loads(answer.data)) if answer.status == 200 else None
