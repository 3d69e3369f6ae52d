"""What a pass sees: the job, its children, pods and parents, as small immutable values.

`plan` decides from these alone. `reading` cuts them from the API's objects, once, when an object
enters the cache; nothing else of those objects is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tenyson.controller import names
from tenyson.controller.resource.runtime import TenysonRuntimeSpec
from tenyson.controller.resource.spec import TenysonJobSpec

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
    created_at: str = ""
    tracked_by: str = ""
    """The label or annotation of a tool that would make the job again if it were deleted."""

    @property
    def key(self) -> names.Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def run_id(self) -> str:
        """The run's id."""
        return names.run_id(self.uid)

    @property
    def has_started(self) -> bool:
        """Whether an attempt has been made and written about."""
        return "startTime" in self.status

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
        return ended_as(self.status)

    def recorded_attempts(self) -> list[Object]:
        """Returns the attempts that have ended, oldest first."""
        return list(self.status.get("attempts") or ())


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
    suspended: bool = False
    """Whether its pods wait for a queue's admission."""
    created_at: str = ""
    seen_ended: datetime | None = None
    """When this controller saw that it had ended, by its own clock; None: not, or long ago."""
    pinned: str = ""
    """The runtime and the configuration that it was made with, as `policies.pins` wrote them."""


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
    index: int = 0
    """Completion index, the node's rank, where a run has several pods."""
    gone: bool = False
    """Whether it was deleted; kept after that for its exit code."""

    @property
    def is_terminal(self) -> bool:
        """Whether no process of it can run any more."""
        return self.gone or self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The current attempt: its child and its pods, as far as they are there."""

    number: int
    child: Child | None
    pods: tuple[Pod, ...]

    @property
    def live(self) -> tuple[Pod, ...]:
        """Pods with a process that may still run."""
        return tuple(pod for pod in self.pods if not pod.is_terminal)

    @property
    def is_queued(self) -> bool:
        """Whether a queue holds it back."""
        return self.child is not None and self.child.suspended and not self.child.ended_as


@dataclass(frozen=True, slots=True)
class Runtime:
    """A TenysonRuntime or ClusterTenysonRuntime."""

    kind: str
    namespace: str
    """Empty for a ClusterTenysonRuntime."""
    name: str
    uid: str
    resource_version: int
    spec: TenysonRuntimeSpec | None
    """None when the controller cannot read it; `problem` says why."""
    problem: str
    raw: Object
    """The spec as it was written."""


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
    checkpoint_step: int | None = None
    """Step of the newest checkpoint that the attempt has saved."""
    stepped_at: datetime | None = None
    """When the step last advanced, by the controller's own clock."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that must be read from the cluster before a pass can decide."""

    kind: str
    """Secret or ConfigMap; Event, for why a child (`name`) of a uid (`key`) has no pod; or Job, for
    whether a child (`name`) of a run (`key`) is really gone."""
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
    runtime: Runtime | None = None
    """The runtime that spec.runtimeRef names, or the default one; None when there is none."""
    cluster_runtimes_hidden: bool = False
    """Whether the controller has no right to read ClusterTenysonRuntimes."""
    references: Mapping[Reference, str] = field(default_factory=dict)
    """What was found: `found`, `no object`, `no key` or `forbidden`; absent: not looked up."""
    contents: Mapping[Reference, str] = field(default_factory=dict)
    """Texts that were looked up: a ConfigMap's key, an Event's message."""
    report: Report | None = None
    listening_since: datetime | None = None
    """When this controller began to take reports; None when it takes none."""
    defaults: Defaults = Defaults()


def ended_as(status: Object) -> str:
    """Returns Complete or Failed, or an empty string while the run of this status goes on."""
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return ""
