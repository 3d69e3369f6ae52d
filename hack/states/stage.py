"""Where a story plays: a namespace of its own, with verbs for what people, pods and kubelets do."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.waiting import wait_for
from hack.played_pods import Object
from hack.states.kubelet import Kubelet, by_rank
from hack.states.printed import Printed
from tenyson.contract import PROGRESS_AUDIENCE, Env
from tenyson.controller import names
from tenyson.jobs.result import JobResult
from tenyson.progress import Progress, wire_format

_MERGE: Final = "application/merge-patch+json"
_SECONDS: Final = 60.0
_QUIET_SECONDS: Final = 0.8
"""Events come a moment after the status; so long after the last one, all are there."""

SPECS: Final[dict[str, Object]] = {
    "SFT": {
        "config": {
            "model": {"name": "Qwen/Qwen3-0.6B"},
            "training": {"max_steps": 300, "learning_rate": 5.0e-4, "seed": 42},
        }
    },
    "RL": {
        "config": {
            "model": {"name": "Qwen/Qwen3-0.6B"},
            "training": {"max_steps": 300, "per_device_train_batch_size": 8},
            "rl": {"num_generations": 8},
        }
    },
    "Eval": {"config": {"model": {"name": "Qwen/Qwen3-0.6B"}}},
}


class Stage:
    """A namespace in which one story plays."""

    def __init__(self, cluster: LocalCluster, namespace: str, shown: dict[str, Printed]) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.kubelet = Kubelet(cluster.control_plane.admin)
        self.api = cluster.control_plane.admin
        self._jobs = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
        self._core = f"/api/v1/namespaces/{namespace}"
        self._batch = f"/apis/batch/v1/namespaces/{namespace}"
        self._shown = shown

    def open(self) -> None:
        """Makes the namespace."""
        body = {"metadata": {"name": self.namespace}}
        self.api.request("POST", "/api/v1/namespaces", body)
        account = f"{self._core}/serviceaccounts/default"
        wait_for(lambda: self.api.find(account), f"{account} to be there")

    # What people do

    def apply(self, name: str, kind: str = "SFT", **spec: Any) -> None:
        """Makes a TenysonJob of which only the telling fields are given."""
        told = {
            "type": kind,
            "task": "tenyson.examples.wordle.wordle_task:WordleTask",
            "resources": {"gpus": 1},
            "output": {"uri": "s3://models/runs"},
            **SPECS[kind],
            **spec,
        }
        meta = {"name": name, "namespace": self.namespace}
        body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": told}
        self.api.request("POST", self._jobs, body)

    def edit(self, name: str, **spec: Any) -> None:
        """Changes fields of a TenysonJob."""
        self.api.request("PATCH", f"{self._jobs}/{name}", {"spec": spec}, _MERGE)

    def track(self, name: str, **labels: str) -> None:
        """Labels a TenysonJob as the tool does that has it from Git."""
        body = {"metadata": {"labels": labels}}
        self.api.request("PATCH", f"{self._jobs}/{name}", body, _MERGE)

    def make(self, api: str, kind: str, name: str, **content: Any) -> None:
        """Makes an object of another kind in the namespace."""
        root = f"/api/{api}" if api == "v1" else f"/apis/{api}"
        body = {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **content}
        self.api.request("POST", f"{root}/namespaces/{self.namespace}/{kind.lower()}s", body)

    def settle(self) -> None:
        """Gives the operator's watches of different kinds time to fall in step."""
        time.sleep(_QUIET_SECONDS)

    def label_namespace(self, labels: dict[str, str]) -> None:
        """Labels the namespace."""
        path = f"/api/v1/namespaces/{self.namespace}"
        self.api.request("PATCH", path, {"metadata": {"labels": labels}}, _MERGE)

    def wait_for_quota(self, name: str) -> None:
        """Waits until a ResourceQuota counts."""
        path = f"{self._core}/resourcequotas/{name}"
        wait_for(lambda: (self.api.find(path) or {}).get("status", {}).get("used"), path, _SECONDS)

    def set_queue(self, child: str, *, admitted: bool) -> None:
        """Admits or evicts a child as Kueue does."""
        body = {"spec": {"suspend": not admitted}}
        self.api.request("PATCH", f"{self._batch}/jobs/{child}", body, _MERGE)

    # What pods do

    def pods(self, child: str, count: int = 1) -> list[Object]:
        """Returns the pods of a child that have not ended, by their ranks, once all are bound."""
        path = f"{self._core}/pods?labelSelector=batch.kubernetes.io/job-name={child}"

        def bound() -> list[Object] | None:
            found = [pod for pod in self.api.request("GET", path)["items"] if _is_live(pod)]
            on_nodes = all(pod["spec"].get("nodeName") for pod in found)
            return found if on_nodes and len(found) == count else None

        return by_rank(wait_for(bound, f"{count} pods of {child}", _SECONDS))

    def run(self, child: str, count: int = 1) -> list[Object]:
        """Lets all pods of a child run, and returns them."""
        pods = self.pods(child, count)
        # What happens within one second, kubectl shows in any order.
        time.sleep(1.1)
        for pod in pods:
            self.kubelet.run(pod)
        time.sleep(1.1)
        return pods

    def report(self, pod: Object, step: int, **metrics: float) -> None:
        """Pushes progress as the pod would."""
        attempt = pod["metadata"]["labels"][names.LABEL_ATTEMPT]
        env = {v["name"]: v.get("value") for v in pod["spec"]["containers"][0]["env"]}
        assert env[Env.ATTEMPT] == attempt
        authority = pod["metadata"]["annotations"][names.ANNOTATION_PROGRESS_CA]
        body = wire_format(Progress(step, 300, metrics, remaining_seconds=(300 - step) * 0.6))
        token = self.kubelet.token(pod, PROGRESS_AUDIENCE)
        request = urllib.request.Request(
            str(env[Env.PROGRESS_URL]), json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )  # fmt: skip
        context = ssl.create_default_context(cadata=authority)

        def sent() -> bool:
            try:
                with urllib.request.urlopen(request, timeout=5, context=context):
                    return True
            except urllib.error.HTTPError as error:
                if error.code != 403:  # The controller has not seen the pod yet.
                    raise
                return False

        wait_for(sent, f"the report of {pod['metadata']['name']} to be taken", _SECONDS)

    def end(self, pod: Object, result: JobResult) -> None:
        """Ends a pod with the result of its run."""
        self.kubelet.end(pod, result.exit_code, result.termination_message())

    def removal(self, pod: Object) -> None:
        """Waits until a pod is being deleted."""
        name = pod["metadata"]["name"]

        def leaving() -> bool:
            found = self.api.find(f"{self._core}/pods/{name}") or {"metadata": {}}
            return "deletionTimestamp" in found["metadata"]

        wait_for(leaving, f"{name} to be deleted", _SECONDS)

    # What is seen

    def status(self, name: str) -> Object:
        """Returns a TenysonJob's status."""
        return dict((self.api.find(f"{self._jobs}/{name}") or {}).get("status") or {})

    def until(self, name: str, phase: str, reason: str = "", **fields: Any) -> Object:
        """Returns the status of a TenysonJob as soon as it has a phase, and a reason to run or not.

        Args:
            name: Name of the job.
            phase: The phase.
            reason: Reason of the condition Running; empty for any.
            fields: Further fields of the status.
        """
        return self.until_it(
            name,
            f"to be {phase} {reason}",
            lambda status: (
                status.get("phase") == phase
                and (not reason or _running(status).get("reason") == reason)
                and all(status.get(field) == value for field, value in fields.items())
            ),
        )

    def until_it(self, name: str, what: str, holds: Callable[[Object], Any]) -> Object:
        """Returns the status of a TenysonJob as soon as something holds for it."""

        def found() -> Object | None:
            status = self.status(name)
            return status if holds(status) else None

        try:
            return wait_for(found, f"{name} {what}", _SECONDS)
        except ClusterError as error:
            raise ClusterError(f"{error}; it is {json.dumps(self.status(name))}") from error

    def show(self, state: str, name: str, *parts: str, others: tuple[str, ...] = ()) -> None:
        """Keeps what kubectl prints now about a job.

        Args:
            state: Name of the block in the document.
            name: Name of the job.
            parts: Of the status, what is shown: types of conditions, and names of other fields as
                `kubectl describe` writes them. Nothing stands for the whole status.
            others: Further jobs that `kubectl get` lists.
        """
        self._wait_for_quiet(name)
        self._shown[state] = Printed(
            get=self._kubectl("get", "tj", name, *others, "-o", "wide"),
            describe=self._kubectl("describe", "tj", name),
            names=(name, *others),
            parts=parts,
            namespace=self.namespace,
            manifest=self.api.request("GET", f"{self._jobs}/{name}"),
        )

    def _wait_for_quiet(self, name: str) -> None:
        path = f"{self._core}/events?fieldSelector=involvedObject.name={name}"
        last: Any = None
        since = time.monotonic()

        def quiet() -> bool:
            nonlocal last, since
            found = self.api.request("GET", path)["items"]
            now = [(e["metadata"]["name"], e.get("count")) for e in found]
            if now != last:
                last, since = now, time.monotonic()
            return bool(now) and time.monotonic() - since > _QUIET_SECONDS

        wait_for(quiet, f"the Events of {name}", _SECONDS, poll_seconds=0.2)

    def _kubectl(self, *arguments: str) -> str:
        argv = self.cluster.kubectl_argv(*arguments, f"--namespace={self.namespace}")
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return done.stdout


def _is_live(pod: Object) -> bool:
    ended = pod["status"].get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def _running(status: Object) -> Object:
    conditions = status.get("conditions") or ()
    return next((c for c in conditions if c["type"] == "Running"), {})
