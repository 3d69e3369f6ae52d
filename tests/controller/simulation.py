"""A small cluster that can be stopped between any two steps.

It keeps objects and versions as the API server does, delivers each kind's events in order but as
late as a test likes, and plays the Job controller and the kubelet. The real cache and the real
plan run against it; a pass can be cut short after any write, and the controller restarted.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tenyson.controller import names
from tenyson.controller.cache import Cache
from tenyson.controller.plan import plan
from tests.controller.builders import DEFAULTS, NOW, child_body, job_body, pod_body

KEY = ("n", "j")
Body = dict[str, Any]


class CrashedError(Exception):
    """Raised where the controller dies."""


@dataclass
class Simulation:
    """One TenysonJob, and what the world does to it."""

    codes: Sequence[int]
    """Exit code of each attempt, in order; the last one repeats."""
    spec: Body = field(default_factory=dict)
    now: datetime = NOW
    version: int = 1
    created: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.job = job_body("j", **self.spec)
        self.children: dict[str, Body] = {}
        self.pods: dict[str, Body] = {}
        self.events: dict[str, deque[tuple[str, Body]]] = {}
        self.restart()

    # The API server

    def _bump(self, body: Body) -> Body:
        self.version += 1
        return {
            **body,
            "metadata": {**body["metadata"], "resourceVersion": str(self.version)},
        }

    def _put(self, kind: str, store: dict[str, Body], body: Body) -> Body:
        body = self._bump(body)
        store[body["metadata"]["name"]] = body
        self.events[kind].append(("put", body))
        return body

    def _drop(self, kind: str, store: dict[str, Body], name: str) -> None:
        body = self._bump(store.pop(name))
        self.events[kind].append(("drop", body))

    def edit(self, **spec: Any) -> None:
        """Somebody edits the spec."""
        meta = {**self.job["metadata"], "generation": self.job["metadata"]["generation"] + 1}
        self._job({**self.job, "metadata": meta, "spec": {**self.job["spec"], **spec}})

    def _job(self, body: Body) -> Body:
        self.job = self._bump(body)
        self.events["job"].append(("put", self.job))
        return self.job

    # The controller

    def restart(self) -> None:
        """Starts the controller anew: it lists everything and remembers nothing."""
        self.woken = True
        self.cache = Cache(self._wake, lambda: self.now)
        self.events = {kind: deque() for kind in ("job", "child", "pod")}
        self.cache.put_job(self.job)
        for child in self.children.values():
            self.cache.put_child(child)
        for pod in self.pods.values():
            self.cache.put_pod(pod)

    def _wake(self, key: names.Key, urgent: bool) -> None:
        self.woken = True

    def deliver(self, kind: str) -> None:
        """Delivers the oldest event of a kind, if there is one."""
        if not self.events[kind]:
            return
        verb, body = self.events[kind].popleft()
        meta = body["metadata"]
        at = meta["namespace"], meta["name"]
        if kind == "job":
            self.cache.put_job(body)
        elif kind == "child":
            self.cache.put_child(body) if verb == "put" else self.cache.drop_child(at, meta["uid"])
        else:
            self.cache.put_pod(body) if verb == "put" else self.cache.drop_pod(at, meta["uid"])

    def make_pass(self, dies_after: str = "") -> None:
        """Makes a pass; the controller dies after the named write: create, delete or status."""
        try:
            self._pass(dies_after)
        except CrashedError:
            self.restart()

    def _pass(self, dies_after: str) -> None:
        observed = self.cache.observed(KEY)
        assert observed is not None
        observed = replace(observed, defaults=DEFAULTS)
        wanted = plan(observed, self.now)
        if wanted.look_up:
            found = dict.fromkeys(wanted.look_up, "found")
            wanted = plan(replace(observed, references=found), self.now)
        self.woken = False
        for body in wanted.create:
            self._create(body, dies_after)
        version = int(self.job["metadata"]["resourceVersion"])
        if wanted.status is not None:
            if observed.job.resource_version != version:
                self.woken = True
                return
            written = self._job({**self.job, "status": wanted.status})
            self._maybe_die("status", dies_after)
            self.cache.put_job(written, wake=False)
        for child in wanted.delete:
            self._delete(child.name, child.uid)
            self._maybe_die("delete", dies_after)
        if wanted.requeue_after is not None:
            self.woken = True

    def _maybe_die(self, write: str, dies_after: str) -> None:
        if write == dies_after:
            raise CrashedError

    def _create(self, body: Body, dies_after: str) -> None:
        name = body["metadata"]["name"]
        if name not in self.children:
            number = int(body["metadata"]["labels"][names.LABEL_ATTEMPT])
            self.created.append(name)
            uid = f"child-{name}-{len(self.created)}"
            self._put("child", self.children, child_body("j", number, uid=uid))
        self._maybe_die("create", dies_after)
        self.cache.put_child(self.children[name])

    def _delete(self, name: str, uid: str) -> None:
        child = self.children.get(name)
        if child is not None and child["metadata"]["uid"] == uid:
            meta = {**child["metadata"], "deletionTimestamp": "now"}
            self._put("child", self.children, {**child, "metadata": meta})

    # The Job controller and the kubelet

    def step_job_controller(self) -> None:
        """Makes missing pods, ends Jobs whose pod has ended, finishes deletions."""
        for name, child in list(self.children.items()):
            number = int(child["metadata"]["labels"][names.LABEL_ATTEMPT])
            pod = self.pods.get(f"{name}-x")
            if "deletionTimestamp" in child["metadata"]:
                self._finish_deletion(name, pod)
            elif child["status"]["conditions"]:
                continue
            elif pod is None:
                uid = f"pod-{child['metadata']['uid']}"
                self._put("pod", self.pods, pod_body("j", number, "Pending", meta={"uid": uid}))
            elif pod["status"]["phase"] in ("Succeeded", "Failed"):
                ended = "Complete" if pod["status"]["phase"] == "Succeeded" else "Failed"
                done = child_body("j", number, ended, uid=child["metadata"]["uid"])
                self._put("child", self.children, done)

    def _finish_deletion(self, name: str, pod: Body | None) -> None:
        if pod is None:
            self._drop("child", self.children, name)
        elif pod["status"]["phase"] in ("Succeeded", "Failed"):
            self._drop("pod", self.pods, f"{name}-x")
        else:
            self._end_pod(pod, 75)

    def step_kubelet(self) -> None:
        """Starts pods that wait, ends pods that run."""
        for pod in list(self.pods.values()):
            number = int(pod["metadata"]["labels"][names.LABEL_ATTEMPT])
            if pod["status"]["phase"] == "Pending":
                self._put("pod", self.pods, pod_body("j", number, meta=_uid(pod)))
            elif pod["status"]["phase"] == "Running":
                # Attempts that were suspended take no exit code from the list.
                self._end_pod(pod, self.codes[min(number, len(self.codes) - 1)])

    def _end_pod(self, pod: Body, code: int) -> None:
        number = int(pod["metadata"]["labels"][names.LABEL_ATTEMPT])
        self._put("pod", self.pods, pod_body("j", number, code=code, meta=_uid(pod)))

    def pass_time(self) -> None:
        """Lets a minute go by."""
        self.now += timedelta(seconds=60)

    # What must hold

    def live_attempts(self) -> set[str]:
        """Returns attempts with a pod that is not terminal, or a child that may yet make one."""
        live = {
            pod["metadata"]["labels"][names.LABEL_ATTEMPT]
            for pod in self.pods.values()
            if pod["status"]["phase"] in ("Pending", "Running")
        }
        for child in self.children.values():
            if not child["status"]["conditions"] and "deletionTimestamp" not in child["metadata"]:
                live.add(child["metadata"]["labels"][names.LABEL_ATTEMPT])
        return live

    def settle(self) -> Body:
        """Lets everything happen in good order until nothing does, and returns the status."""
        for _ in range(400):
            before = self.version, self.now
            for step in (*self.steps().values(), self.make_pass):
                step()
            if self.is_quiet() and self.version == before[0]:
                return dict(self.job["status"])
        raise AssertionError(f"never settled: {self.job.get('status')}")

    def is_quiet(self) -> bool:
        """Whether the run is over or stands still, and the controller knows all of it."""
        if any(self.events.values()):
            return False
        return self.job.get("status", {}).get("phase") in ("Succeeded", "Failed", "Suspended")

    def steps(self) -> dict[str, Callable[[], None]]:
        """Returns what may happen beside passes."""
        return {
            "job controller": self.step_job_controller,
            "kubelet": self.step_kubelet,
            "job event": lambda: self.deliver("job"),
            "child event": lambda: self.deliver("child"),
            "pod event": lambda: self.deliver("pod"),
            "time": self.pass_time,
        }


def _uid(pod: Body) -> Body:
    return {"uid": pod["metadata"]["uid"]}
