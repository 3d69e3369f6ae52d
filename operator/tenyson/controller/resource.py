"""TenysonJob as models: the spec that people write and the status that the controller writes.

The CRD is generated from these. The string under a field is what `kubectl explain` shows.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]{1,9})?([EPTGMk]i?|Ki|m)?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Quantity = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=QUANTITY_PATTERN)]
Count = Annotated[int, Field(ge=0, le=2_147_483_647)]
Text = Annotated[str, Field(max_length=1024)]
Message = Annotated[str, Field(max_length=8192)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]


class ApiModel(BaseModel):
    """A part of the resource: camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Dependency(ApiModel):
    """Another TenysonJob of the same namespace, and how it must end first."""

    job: Annotated[str, Field(min_length=1, max_length=52, pattern=NAME_PATTERN)]
    """Name of the TenysonJob to wait for."""
    condition: Literal["Complete", "Failed", "Finished"] = "Complete"
    """How it must end: Complete, Failed, or Finished for either."""


class AdapterFrom(ApiModel):
    """The run whose adapter this one starts from."""

    job: Annotated[str, Field(min_length=1, max_length=52, pattern=NAME_PATTERN)]
    """Name of a TenysonJob of the same namespace; it must be Complete before this one starts."""


class Resources(ApiModel):
    """What the runner's pod asks for; what is left out is not asked for."""

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """NVIDIA GPUs (`nvidia.com/gpu`)."""
    cpu: Quantity | None = None
    """CPUs requested, `8` or `500m`; never a limit, since a throttled trainer only gets slower."""
    memory: Quantity | None = None
    """Memory requested, and its limit: `64Gi`."""
    ephemeral_storage: Quantity | None = None
    """Disk requested on the node, and its limit: `200Gi`."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, which data loaders and NCCL share: `16Gi`. It counts as memory."""


class KeyRef(ApiModel):
    """A key of a Secret or a ConfigMap of the job's namespace."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""
    key: DataKey
    """Key in its data."""


class EnvSource(ApiModel):
    """Where an environment variable's value comes from."""

    secret_key_ref: KeyRef | None = None
    """A key of a Secret."""
    config_map_key_ref: KeyRef | None = None
    """A key of a ConfigMap."""


class EnvVar(ApiModel):
    """An environment variable of the runner's container."""

    name: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Its value as it stands."""
    value_from: EnvSource | None = None
    """Where to take the value from instead."""


class Telemetry(ApiModel):
    """Where structured metrics go."""

    database_secret_ref: KeyRef | None = None
    """Secret key with the database's SQLAlchemy URL; the job starts once it exists."""


class Output(ApiModel):
    """Where the run's files stay. With neither, they vanish with the pod."""

    uri: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Storage that files are uploaded to, `s3://bucket/runs`; each run has its own folder there."""
    volume_claim: ObjectName | None = None
    """PersistentVolumeClaim of the namespace, mounted as the output folder and the cache."""


class Retry(ApiModel):
    """How often an attempt that failed is made again, and when."""

    max_retries: Annotated[int, Field(ge=0, le=1000)] = 2
    """Retries after the run's own failures: an internal error, out of memory, a crash."""
    max_infra_retries: Annotated[int, Field(ge=0, le=1000)] = 10
    """Retries after the cluster's failures: a lost node, an eviction, a deleted or killed pod."""
    backoff_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    """Wait before the first retry; each further one doubles it, give or take a fifth."""
    backoff_max_seconds: Annotated[int, Field(ge=0, le=604_800)] = 600
    """Longest wait before a retry."""


class TenysonJobSpec(ApiModel):
    """What to run. Once started, only suspend, retry and ttlSecondsAfterFinished may change."""

    type: Literal["SFT", "RL", "Eval"]
    """Kind of job: supervised fine-tuning, reinforcement learning (GRPO), or evaluation."""
    task: Annotated[str, Field(min_length=1, max_length=512)]
    """The task plugin, `module.path:ClassName`, as the runner image can import it."""
    config: dict[str, JsonValue]
    """Configuration of the job: the same keys, in snake_case, as the file of a local run."""
    depends_on: Annotated[list[Dependency], Field(max_length=16)] = []
    """TenysonJobs of the same namespace that must end first."""
    adapter_from: AdapterFrom | None = None
    """Starts from another run's adapter, once that run is Complete."""
    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Runner image, whose entrypoint is the runner; null takes the controller's default."""
    resources: Resources = Resources()
    """What the runner's pod asks for."""
    env: Annotated[list[EnvVar], Field(max_length=128)] = []
    """Environment variables of the runner."""
    telemetry: Telemetry = Telemetry()
    """Where structured metrics go."""
    output: Output = Output()
    """Where the run's files stay."""
    retry: Retry = Retry()
    """How often a failed attempt is made again."""
    suspend: bool = False
    """True stops the run at its next step with a checkpoint; false goes on from there."""
    ttl_seconds_after_finished: Count | None = None
    """Seconds after the end until the TenysonJob itself is deleted; null keeps it."""


class Condition(ApiModel):
    """One aspect of the state, in the form all Kubernetes tools read."""

    type: Annotated[str, Field(max_length=64)]
    """Accepted, Running, Suspended, Complete, Failed, Reconciling or Stalled."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for why, for programs."""
    message: Message = ""
    """A sentence for people: what was seen, and what to do about it."""
    last_transition_time: Time
    """When the status last changed."""
    observed_generation: int = 0
    """Generation of the resource that this is about."""


class Retries(ApiModel):
    """Retries used so far."""

    app: Count = 0
    """After the run's own failures; `spec.retry.maxRetries` bounds it."""
    infra: Count = 0
    """After the cluster's failures; `spec.retry.maxInfraRetries` bounds it."""


class AttemptStatus(ApiModel):
    """An attempt that has ended."""

    number: Count
    """Number of the attempt, from 0."""
    attempt_class: Annotated[
        Literal["Completed", "App", "OOM", "Infra", "Preempted", "Suspended"], Field(alias="class")
    ]
    """Whose failure it was: App and OOM the run's, Infra and Preempted the cluster's."""
    reason: Annotated[str, Field(max_length=64)]
    """One word for how it ended."""
    exit_code: int | None = None
    """Exit code of the runner; absent where none is known."""
    node: Text | None = None
    """Node that the pod ran on."""
    start_time: Time | None = None
    """When its container started."""
    end_time: Time | None = None
    """When it ended."""
    resumed_from_step: Count | None = None
    """Step of the checkpoint that it started from."""
    reached_step: Count | None = None
    """Last step that it reported."""


class Progress(ApiModel):
    """What the current attempt last reported."""

    step: Count | None = None
    """Optimiser steps done; prompts for an Eval."""
    total_steps: Count | None = None
    """Steps in all."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Share done."""
    eta_seconds: Count | None = None
    """Seconds that the runner expects to need still."""
    metrics: Annotated[dict[str, float], Field(max_length=64)] | None = None
    """Newest metrics."""
    updated_at: Time | None = None
    """When the report arrived."""


class FailureStatus(ApiModel):
    """Why a run did not succeed."""

    type: Text
    """Class of the error, or the reason the kubelet gave."""
    message: Message
    """What was given and what was expected."""
    hint: Annotated[str, Field(max_length=2048)] | None = None
    """What to do next."""


class Artifact(ApiModel):
    """A file that the run left behind."""

    kind: Text | None = None
    """What it is: adapter, results, manifest."""
    path: Text | None = None
    """Path relative to the output folder."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    """Its size."""
    sha256: Text | None = None
    """Its hash."""


class ResultStatus(ApiModel):
    """The run's JobResult, as the last attempt left it."""

    run_id: Text
    """The run's id."""
    status: Text
    """success, failed, stopped, diverged or budget."""
    total_time_seconds: float | None = None
    """Wall time of the last attempt."""
    metrics: Annotated[dict[str, float], Field(max_length=256)] | None = None
    """The run's metrics, under the names that the runner gave them."""
    hf_repo_id: Text | None = None
    """Repository on the Hub that the model was pushed to."""
    hf_revision: Text | None = None
    """Its commit."""
    wandb_url: Text | None = None
    """Page of the run at Weights & Biases."""
    local_output_dir: Text | None = None
    """Output folder as the pod saw it."""
    job_type: Text | None = None
    """Kind of job, as the runner calls it."""
    attempt: Count | None = None
    """The attempt that this result is of."""
    exit_code: int | None = None
    """Exit code of the runner."""
    failure: FailureStatus | None = None
    """Why it did not succeed."""
    stop_reason: Text | None = None
    """Why it stopped early."""
    global_step: Count | None = None
    """Optimiser steps done over all attempts."""
    resumed_from_step: Count | None = None
    """Step of the checkpoint that the last attempt started from."""
    output_uri: Text | None = None
    """Where the files are; `pvc://claim/folder` on a PersistentVolumeClaim."""
    adapter_sha256: Text | None = None
    """Hash of the adapter."""
    telemetry: Annotated[dict[str, int], Field(max_length=16)] | None = None
    """Rows written to the database, and rows spooled to the output folder."""
    artifacts: Annotated[list[Artifact], Field(max_length=64)] | None = None
    """Files left behind."""
    warnings: Annotated[list[Text], Field(max_length=32)] | None = None
    """What the runner wants known."""


class ChildStatus(ApiModel):
    """What the current attempt was started with."""

    job: Text
    """Name of its batch/v1 Job."""
    config_hash: Text
    """Hash of the configuration that it got."""
    adapter_path: Text | None = None
    """Adapter that it starts from."""
    adapter_sha256: Text | None = None
    """Hash that this adapter must have."""


class TenysonJobStatus(ApiModel):
    """What has become of the job."""

    observed_generation: int | None = None
    """Newest generation of the spec that the controller has acted on."""
    phase: Text | None = None
    """Pending, Starting, Running, Stopping, Suspended, Succeeded or Failed, from the conditions."""
    conditions: Annotated[list[Condition], Field(max_length=16)] | None = None
    """The state, one aspect each."""
    run_id: Text | None = None
    """The run's id: the same over all attempts, derived from the resource's uid."""
    start_time: Time | None = None
    """When the first attempt was made."""
    completion_time: Time | None = None
    """When the run ended."""
    attempt: Count | None = None
    """The current attempt, from 0."""
    retries: Retries | None = None
    """Retries used so far."""
    attempts: Annotated[list[AttemptStatus], Field(max_length=10)] | None = None
    """Attempts that have ended, the newest last, 10 at most."""
    progress: Progress | None = None
    """What the current attempt last reported."""
    result: ResultStatus | None = None
    """The run's JobResult."""
    child: ChildStatus | None = None
    """What the current attempt was started with."""


def parse_spec(spec: dict[str, Any]) -> TenysonJobSpec:
    """Returns the spec as the API server admitted it; null is the same as absent."""
    return TenysonJobSpec.model_validate({k: v for k, v in spec.items() if v is not None})
