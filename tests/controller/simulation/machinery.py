"""Kubernetes' own controllers, the kubelets and a queue, in a simulation.

The Job controller follows its original of 1.34: a pod that has failed is told in the condition by
the podFailurePolicy, an ended condition is set only when no pod is left that may run, and a Job
that is going away makes no pods.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tenyson.controller import names
from tenyson.controller.times import format_time
from tests.controller.simulation.api_server import ApiServer, Body
from tests.controller.simulation.failures import counts_as_failed, why

ENDED = ("Succeeded", "Failed")


class Machinery:
    """All that acts on children and pods, one small step at a time."""

    def __init__(
        self,
        server: ApiServer,
        exit_code: Callable[[str, int], int | None],
        now: Callable[[], datetime],
    ) -> None:
        self._server = server
        self._exit_code = exit_code
        """What an attempt of a job ends with, if it is let; None for never."""
        self._now = now
        """The clock of the nodes."""
        self._made = 0
        self.has_room = True
        """Whether any node takes a pod."""

    # The Job controller

    def step_jobs(self) -> bool:
        """Takes every child one step further; False when nothing is to be done."""
        before = self._server.version
        for name in list(self._server.objects["child"]):
            self._step_job(name)
        return self._server.version != before

    def _step_job(self, name: str) -> None:
        child = self._server.objects["child"][name]
        pods = self.pods_of(child)
        deleting = "deletionTimestamp" in child["metadata"]
        if not _ended(child):
            self._judge(child, pods)
        child = self._server.objects["child"][name]
        self._remove_pods_that_left(child)
        if deleting:
            self._take_pods(self.pods_of(child))
            for pod in self.pods_of(child):
                if pod["status"]["phase"] in ENDED:
                    self._server.drop("pod", pod["metadata"]["name"])
            if not self.pods_of(child):
                self._server.drop("child", name)
        elif not _ended(child) and "target" not in child["status"]:
            if child["spec"].get("suspend"):
                self._take_pods(self.pods_of(child), released=True)
            else:
                self._make_pods(child, self.pods_of(child))

    def _judge(self, child: Body, pods: list[Body]) -> None:
        """Says how a Job ended, as soon as none of its pods may run any more."""
        status = child["status"]
        failed = next((pod for pod in pods if counts_as_failed(child, pod)), None)
        done = {_index(pod) for pod in pods if pod["status"]["phase"] == "Succeeded"}
        live = [pod for pod in pods if pod["status"]["phase"] not in ENDED]
        if target := status.get("target") or (failed and why(child, failed)):
            self._take_pods(live)
            ended = [] if live else [self._condition("Failed", target)]
            if ended or target != status.get("target"):
                self._set(child, {"conditions": ended, "target": target})
        elif len(done) == child["spec"]["completions"] and not live:
            self._set(child, {"conditions": [self._condition("Complete", "")]})

    def _condition(self, kind: str, message: str) -> Body:
        return {
            "type": kind, "status": "True", "reason": "PodFailurePolicy", "message": message,
            "lastTransitionTime": format_time(self._now()),
        }  # fmt: skip

    def _set(self, child: Body, status: Body) -> None:
        self._server.change("child", child["metadata"]["name"], status=status)

    def _remove_pods_that_left(self, child: Body) -> None:
        for pod in self.pods_of(child):
            leaving = "deletionTimestamp" in pod["metadata"]
            if leaving and pod["status"]["phase"] in ENDED:
                self._server.drop("pod", pod["metadata"]["name"])

    def _take_pods(self, pods: list[Body], *, released: bool = False) -> None:
        for pod in pods:
            if pod["status"]["phase"] in ENDED or "deletionTimestamp" in pod["metadata"]:
                continue
            if released:
                self._server.change("pod", pod["metadata"]["name"], meta={"released": True})
            self._server.delete("pod", pod["metadata"]["name"])

    def _make_pods(self, child: Body, pods: list[Body]) -> None:
        there = {_index(pod) for pod in pods}
        for index in range(child["spec"]["completions"]):
            if index in there:
                continue
            self._made += 1
            template, meta = child["spec"]["template"], child["metadata"]
            annotations = {names.ANNOTATION_INDEX: str(index)}
            self._server.put(
                "pod",
                {
                    "metadata": {
                        "name": f"{meta['name']}-{index}-{self._made}", "namespace": "n",
                        "uid": f"pod-{self._made}", "labels": template["metadata"]["labels"],
                        "annotations": annotations,
                        "ownerReferences": [{"uid": meta["uid"], "controller": True}],
                    },
                    "spec": {"nodeName": f"node-{index}"},
                    "status": {"phase": "Pending"},
                },
            )  # fmt: skip

    def pods_of(self, child: Body) -> list[Body]:
        """Returns the pods that a child owns."""
        uid = child["metadata"]["uid"]
        return [pod for pod in self._server.objects["pod"].values() if _owner(pod) == uid]

    # The garbage collector

    def collect_garbage(self) -> bool:
        """Takes what has lost its owner; False when there is nothing."""
        before = self._server.version
        objects = self._server.objects
        for name, job in list(objects["job"].items()):
            if "deletionTimestamp" in job["metadata"]:
                self._server.drop("job", name)
        owners = {o["metadata"]["uid"] for kind in ("job", "child") for o in objects[kind].values()}
        for name, child in list(objects["child"].items()):
            if _owner(child) not in owners:
                self._server.delete("child", name)
        for name, pod in list(objects["pod"].items()):
            if _owner(pod) not in owners:
                self._server.delete("pod", name)
                if pod["status"]["phase"] in ENDED:
                    self._server.drop("pod", name)
        return self._server.version != before

    # The kubelets

    def start_pods(self, which: int = 0) -> bool:
        """Takes pods one step further: one that waits runs, one that was told to stop ends.

        Args:
            which: How pods take being told to stop: 0 saves and exits with 75, 1 is killed,
                2 has just done what it was to do, whatever that was.
        """
        return self._step_pods(which, ends=False)

    def end_pods(self) -> bool:
        """Ends the pods that run, with the exit codes of their attempts."""
        return self._step_pods(0, ends=True)

    def _step_pods(self, which: int, *, ends: bool) -> bool:
        before = self._server.version
        for pod in list(self._server.objects["pod"].values()):
            self._step_pod(pod, which, ends=ends)
        return self._server.version != before

    def _step_pod(self, pod: Body, which: int, *, ends: bool) -> None:
        phase, leaving = pod["status"]["phase"], "deletionTimestamp" in pod["metadata"]
        code = self._own_code(pod)
        if phase in ENDED:
            return
        if leaving and phase == "Pending":
            self._server.change("pod", pod["metadata"]["name"], status={"phase": "Failed"})
        elif leaving:
            told = {0: 75, 1: 137}.get(which % 3, code)
            self.end(pod, 75 if told is None else told)
        elif phase == "Pending" and not ends and self.has_room:
            status = {"phase": "Running", "startTime": format_time(self._now())}
            running = {"running": {"startedAt": format_time(self._now())}}
            self._server.change(
                "pod", pod["metadata"]["name"], status={**status, **_container(running)}
            )
        elif phase == "Running" and ends and code is not None and not self._waits_for_peers(pod):
            self.end(pod, code)

    def _own_code(self, pod: Body) -> int | None:
        """Returns what a pod ends with by itself; None for never, or for another's failure."""
        labels = pod["metadata"]["labels"]
        number = int(labels[names.LABEL_ATTEMPT])
        code = self._exit_code(labels[names.LABEL_JOB], number)
        return code if code == 0 or _index(pod) == 0 else None

    def _waits_for_peers(self, pod: Body) -> bool:
        """Whether other ranks are not there yet, without which no step is done."""
        child = next(
            (c for c in self._server.objects["child"].values() if _owner(pod) == _uid(c)), None
        )
        if child is None:
            return False
        ready = [p for p in self.pods_of(child) if p["status"]["phase"] in ("Running", "Succeeded")]
        return len(ready) < child["spec"]["completions"]

    def end(self, pod: Body, code: int, **more: Any) -> None:
        """Ends a pod's container."""
        now = format_time(self._now())
        result = {
            "run_id": "r", "status": "success" if code == 0 else "stopped", "global_step": 4,
            "metrics": {"pod": int(pod["metadata"]["uid"].rsplit("-", 1)[1])},
        }  # fmt: skip
        ended = {
            "exitCode": code, "startedAt": now, "finishedAt": now,
            "reason": "Error" if code else "Completed",
            "message": json.dumps(result) if code in (0, 73, 75) else "boom",
        }  # fmt: skip
        status = {"phase": "Failed" if code else "Succeeded", **_container({"terminated": ended})}
        self._server.change("pod", pod["metadata"]["name"], status={**status, **more})

    # The queue

    def admit(self, name: str) -> None:
        """Lets a child's pods start."""
        child = self._server.objects["child"][name]
        self._server.change("child", name, spec={**child["spec"], "suspend": False})

    def evict(self, name: str) -> None:
        """Takes a child's pods back."""
        child = self._server.objects["child"][name]
        self._server.change("child", name, spec={**child["spec"], "suspend": True})


def _ended(child: Body) -> bool:
    return bool((child["status"] or {}).get("conditions"))


def _container(state: Body) -> Body:
    return {"containerStatuses": [{"name": names.CONTAINER, "state": state}]}


def _owner(body: Body) -> str:
    return next((str(o["uid"]) for o in body["metadata"].get("ownerReferences", ())), "")


def _uid(body: Body) -> str:
    return str(body["metadata"]["uid"])


def _index(pod: Body) -> int:
    return int(pod["metadata"]["annotations"][names.ANNOTATION_INDEX])
