"""TenysonJob's spec: what people write.

The CRD is generated from these models. The string under a field is what `kubectl explain` shows.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, SkipValidation

from tenyson.controller.resource.placement import Placement
from tenyson.controller.resource.run import Checkpoint, EnvVar, Output, Retry, Telemetry
from tenyson.controller.resource.types import (
    ApiModel,
    Count,
    JobName,
    KeyRef,
    NameRef,
    ObjectName,
    Quantity,
    Seconds,
)


class Dependency(ApiModel):
    """Another TenysonJob of the same namespace, and how it must end first."""

    job: JobName
    """Name of the TenysonJob to wait for."""
    condition: Literal["Complete", "Failed", "Finished"] = "Complete"
    """How it must end: Complete, Failed, or Finished for either."""


class AdapterFrom(ApiModel):
    """The run whose adapter this one starts from."""

    job: JobName
    """Name of a TenysonJob of the same namespace; it must be Complete before this one starts."""


class ConfigSource(ApiModel):
    """Where a part of the configuration comes from."""

    config_map_key_ref: KeyRef
    """Key of a ConfigMap of the namespace that holds YAML or JSON; read when the run starts."""


class RuntimeRef(ApiModel):
    """The runtime that brings defaults."""

    name: ObjectName
    """Its name."""
    kind: Literal["ClusterTenysonRuntime", "TenysonRuntime"] = "ClusterTenysonRuntime"
    """ClusterTenysonRuntime, or TenysonRuntime for one of the job's namespace."""


class Resources(ApiModel):
    """What a runner's pod asks for; what is left out is not asked for."""

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """NVIDIA GPUs (`nvidia.com/gpu`) of each node."""
    cpu: Quantity | None = None
    """CPUs requested, `8` or `500m`; never a limit, since a throttled trainer only gets slower."""
    memory: Quantity | None = None
    """Memory requested, and its limit: `64Gi`."""
    ephemeral_storage: Quantity | None = None
    """Disk requested on the node, and its limit: `200Gi`."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, which data loaders and NCCL share: `16Gi`. It counts as memory."""


class Modal(ApiModel):
    """How a run goes to Modal (backend: Modal)."""

    gpu: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=8)] = Field(
        default_factory=list
    )
    """GPUs in order of preference: `H100`, `A100-80GB`, `H100:4`."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 86_400
    """Longest life of one Sandbox."""
    region: Annotated[str, Field(max_length=64)] | None = None
    """Region; null takes any."""
    token_secret_ref: NameRef | None = None
    """Secret with the token."""


class Budget(ApiModel):
    """What the run may cost. Running time counts, not waiting."""

    max_cost: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Cost at which the run is stopped with its result: Complete, reason BudgetReached."""
    price_per_hour: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """Price of one node for an hour; with it, status.result.cost tells what the run has cost."""
    currency: Annotated[str, Field(min_length=3, max_length=3, pattern=r"^[A-Z]{3}$")] = "USD"
    """Currency of both."""


class TenysonJobSpec(ApiModel):
    """What to run.

    Once started, only suspend, stop, retry, ttlSecondsAfterFinished and the deadlines may change.
    """

    type: Literal["SFT", "RL", "Eval"]
    """Kind of job: supervised fine-tuning, reinforcement learning (GRPO), or evaluation."""
    task: Annotated[str, Field(min_length=1, max_length=512)]
    """The task plugin, `module.path:ClassName`, as the runner image can import it."""
    config: dict[str, Annotated[JsonValue, SkipValidation]] = Field(default_factory=dict)
    """Configuration of the job: the same keys, in snake_case, as the file of a local run."""
    config_from: ConfigSource | None = None
    """Configuration that config is merged over."""
    depends_on: Annotated[list[Dependency], Field(max_length=16)] = Field(default_factory=list)
    """TenysonJobs of the same namespace that must end first."""
    adapter_from: AdapterFrom | None = None
    """Starts from another run's adapter, once that run is Complete."""
    runtime_ref: RuntimeRef | None = None
    """Runtime that brings defaults; null takes the TenysonRuntime default of the namespace, or else
    the ClusterTenysonRuntime default, if there is one."""
    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Image whose entrypoint is the runner; null takes the runtime's, or the controller's."""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Pods that train together, one per node; above 1, all of them start and end together."""
    resources: Resources = Resources()
    """What each pod asks for."""
    placement: Placement = Placement()
    """Where the pods go."""
    backend: Literal["Kubernetes", "Modal"] = "Kubernetes"
    """Where the run goes: pods of this cluster. Modal is refused until its bridge is there."""
    modal: Modal | None = None
    """How it goes to Modal."""
    env: Annotated[list[EnvVar], Field(max_length=128)] = Field(default_factory=list)
    """Environment variables of the runner."""
    telemetry: Telemetry = Telemetry()
    """Where structured metrics go."""
    output: Output = Output()
    """Where the run's files stay."""
    checkpoint: Checkpoint = Checkpoint()
    """When the run saves its state, and what an attempt starts from."""
    retry: Retry = Retry()
    """How often a failed attempt is made again."""
    suspend: bool = False
    """True stops the run at its next step with a checkpoint; false goes on from there."""
    stop: bool = False
    """True saves a checkpoint and ends the run for good, as Stopped; it is not undone."""
    active_deadline_seconds: Seconds | None = None
    """Running time, summed over attempts and suspensions, after which the run fails."""
    pending_deadline_seconds: Seconds | None = None
    """Time that an attempt may wait in the queue and for its pods to run before the run fails."""
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = 1800
    """Time without a step after which an attempt is killed and retried; null never does. (In a
    merge patch null stands for the default; use kubectl edit, or apply --server-side.)"""
    ttl_seconds_after_finished: Count | None = None
    """Seconds after the end until the TenysonJob itself is deleted; null keeps it. Of one that Argo
    CD or Flux has from Git, and would make again, only the child Jobs are deleted."""
    queue_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """LocalQueue of Kueue that admits the run's pods; null asks none."""
    budget: Budget = Budget()
    """What the run may cost."""


def parse_spec(spec: dict[str, Any]) -> TenysonJobSpec:
    """Returns the spec as the API server admitted it; what may not be null is not null there."""
    return TenysonJobSpec.model_validate(spec)
