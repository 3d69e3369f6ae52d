"""What a pass sees: the job, its children, pods and parents, as small immutable values.

`plan` decides from these alone. They are cut from the API's objects here, once, when an object
enters the cache; nothing else of those objects is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from tenyson.controller import names
from tenyson.controller.resource import TenysonJobSpec, parse_spec

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A TenysonJob."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: int
    deleting: bool
    spec: TenysonJobSpec | None
    """None when the controller cannot read it; `problem` says why."""
    problem: str
    status: Object

    @property
    def key(self) -> names.Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def run_id(self) -> str:
        """The run's id."""
        return names.run_id(self.uid)

    def parents(self) -> dict[str, str]:
        """Returns how each job that this one waits for must end, by name."""
        if self.spec is None:
            return {}
        parents = {dependency.job: str(dependency.condition) for dependency in self.spec.depends_on}
        if self.spec.adapter_from is not None:
            parents[self.spec.adapter_from.job] = "Complete"
        return parents

    def condition(self, kind: str) -> Object:
        """Returns the condition of this type; empty when there is none."""
        for condition in self.status.get("conditions") or ():
            if condition["type"] == kind:
                return dict(condition)
        return {}

    def ended_as(self) -> str:
        """Returns Complete or Failed, or an empty string while the run goes on."""
        for kind in ("Complete", "Failed"):
            if self.condition(kind).get("status") == "True":
                return kind
        return ""


@dataclass(frozen=True, slots=True)
class Child:
    """A batch/v1 Job of ours: one attempt."""

    namespace: str
    name: str
    uid: str
    job: str
    run_id: str
    attempt: int
    resource_version: int
    deleting: bool
    ended_as: str
    """Complete or Failed; empty while it goes on."""
    reason: str
    message: str
    ended_at: str
    job_uid: str
    """The TenysonJob that owns it."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a child."""

    namespace: str
    name: str
    uid: str
    job: str
    run_id: str
    attempt: int
    resource_version: int
    phase: str
    deleting: bool
    node: str
    exit_code: int | None
    reason: str
    """Why the container or the pod ended, in the kubelet's word."""
    message: str
    """The termination message."""
    started_at: str
    ended_at: str
    disruption: str
    """Reason of a DisruptionTarget condition that holds; empty without one."""
    waiting: str
    """Why the container does not run yet."""
    gone: bool = False
    """Whether it was deleted; kept after that for its exit code."""

    @property
    def is_terminal(self) -> bool:
        """Whether no process of it can run any more."""
        return self.gone or self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Report:
    """What a pod pushed last."""

    attempt: int
    received_at: datetime
    step: int | None = None
    total_steps: int | None = None
    percent: int | None = None
    eta_seconds: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """A key of a Secret or a ConfigMap that a job needs."""

    kind: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the controller brings to every job."""

    image: str = ""
    progress_url: str = ""
    """Scheme, host and port of the progress endpoint; empty when there is none."""
    progress_ca: str = ""
    progress_interval_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Observed:
    """All that one pass may know."""

    job: Job
    children: tuple[Child, ...] = ()
    pods: tuple[Pod, ...] = ()
    others: Mapping[str, Job] = field(default_factory=dict)
    """Jobs of the namespace that this one waits for, directly or through others, by name."""
    references: Mapping[Reference, str] = field(default_factory=dict)
    """What was found: `found`, `no object`, `no key` or `forbidden`; absent: not looked up."""
    report: Report | None = None
    defaults: Defaults = Defaults()


def parse_time(text: str) -> datetime:
    """Returns the time in an API object."""
    return datetime.fromisoformat(text)


def format_time(time: datetime) -> str:
    """Returns the time as API objects hold it, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_job(body: Object, known: Job | None = None) -> Job:
    """Returns the TenysonJob in an API object; `known` spares parsing an unchanged spec again."""
    meta = body["metadata"]
    generation = meta.get("generation", 0)
    if known is not None and (known.uid, known.generation) == (meta["uid"], generation):
        spec, problem = known.spec, known.problem
    else:
        spec, problem = _read_spec(body.get("spec") or {})
    return Job(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=generation,
        resource_version=int(meta.get("resourceVersion") or 0),
        deleting="deletionTimestamp" in meta,
        spec=spec,
        problem=problem,
        status=body.get("status") or {},
    )


def _read_spec(spec: Object) -> tuple[TenysonJobSpec | None, str]:
    try:
        return parse_spec(spec), ""
    except ValidationError as error:
        problems = [
            f"spec.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False)
        ]
        return None, "; ".join(problems)


def read_child(body: Object) -> Child:
    """Returns the child in a batch/v1 Job."""
    meta = body["metadata"]
    ended: Object = next(
        (
            condition
            for condition in (body.get("status") or {}).get("conditions") or ()
            if condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
        ),
        {},
    )
    owner: Object = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    return Child(
        **_identity(meta),
        ended_as=ended.get("type", ""),
        reason=ended.get("reason", ""),
        message=ended.get("message", ""),
        ended_at=ended.get("lastTransitionTime", ""),
        job_uid=owner.get("uid", ""),
    )


def read_pod(body: Object) -> Pod:
    """Returns the pod in a v1 Pod."""
    meta, status = body["metadata"], body.get("status") or {}
    state = _container_state(status)
    ended: Object = state.get("terminated") or {}
    running: Object = state.get("running") or {}
    exit_code = ended.get("exitCode")
    return Pod(
        **_identity(meta),
        phase=status.get("phase", "Pending"),
        node=(body.get("spec") or {}).get("nodeName", ""),
        exit_code=exit_code,
        # A pod killed by the kubelet (Evicted) says so itself; its container only says Error.
        reason=status.get("reason") or ended.get("reason", ""),
        message=ended.get("message") or status.get("message", ""),
        started_at=ended.get("startedAt") or running.get("startedAt") or "",
        ended_at=ended.get("finishedAt") or "",
        disruption=_disruption(status),
        waiting=_waiting(status, state.get("waiting") or {}),
    )


def _identity(meta: Object) -> Object:
    """Returns what tells which object it is and of which attempt, the same for Jobs and pods."""
    labels = meta.get("labels") or {}
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "job": labels.get(names.LABEL_JOB, ""),
        "run_id": labels.get(names.LABEL_RUN, ""),
        "attempt": _number(labels.get(names.LABEL_ATTEMPT)),
        "resource_version": int(meta.get("resourceVersion") or 0),
        "deleting": "deletionTimestamp" in meta,
    }


def _container_state(status: Object) -> Object:
    for container in status.get("containerStatuses") or ():
        if container["name"] == names.CONTAINER:
            return container.get("state") or {}
    return {}


def _disruption(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return condition.get("reason") or "DisruptionTarget"
    return ""


def _waiting(status: Object, waiting: Object) -> str:
    if waiting:
        return ": ".join(filter(None, (waiting.get("reason", ""), waiting.get("message", ""))))
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            return ": ".join(filter(None, (reason, message)))
    return ""


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else -1
