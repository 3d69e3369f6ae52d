"""TenysonJob's status: what the controller writes."""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.controller.resource.types import ApiModel, Count, Message, Text, Time


class Condition(ApiModel):
    """One aspect of the state, in the form all Kubernetes tools read."""

    type: Annotated[str, Field(max_length=64)]
    """Accepted, Admitted, Running, Suspended, CheckpointAvailable, ProgressDeadlineExceeded,
    Complete, Failed, Expired, Reconciling or Stalled."""
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
        Literal["Completed", "App", "OOM", "Hang", "Infra", "Preempted", "Suspended", "Stopped"],
        Field(alias="class"),
    ]
    """Whose doing it was: App, OOM, Hang the run's; Infra, Preempted the cluster's."""
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
    checkpoint_step: Count | None = None
    """Step of the newest checkpoint that the attempt has saved."""
    stepped_at: Time | None = None
    """When the step last advanced; spec.progressDeadlineSeconds counts from here."""
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
    traceback_path: Text | None = None
    """File with the traceback, relative to the output folder."""


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


class Cost(ApiModel):
    """What the run has cost."""

    amount: float
    """Running hours of all attempts, times nodes, times budget.pricePerHour."""
    currency: Text
    """Currency of the amount."""
    rate: float | None = None
    """Price of an hour, where the runner knows one."""


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
    cost: Cost | None = None
    """What the run has cost, where budget.pricePerHour is set."""
    telemetry: Annotated[dict[str, int], Field(max_length=16)] | None = None
    """Rows written to the database, and rows spooled to the output folder."""
    tokens: Annotated[dict[str, int], Field(max_length=16)] | None = None
    """Tokens of the last attempt: prompt, completion (sampled) and trained."""
    tokens_per_second: float | None = None
    """Tokens read and sampled a second."""
    phase_seconds: Annotated[dict[str, float], Field(max_length=16)] | None = None
    """Where the last attempt's time went: load, generate, reward, forward_backward, save, eval."""
    peak_memory: Annotated[dict[str, int], Field(max_length=8)] | None = None
    """Most bytes held: rss in the host, cuda on the GPU."""
    engine: Text | None = None
    """What sampled: hf or vllm."""
    manifest_uri: Text | None = None
    """Where run_manifest.json is."""
    artifacts: Annotated[list[Artifact], Field(max_length=64)] | None = None
    """Files left behind."""
    warnings: Annotated[list[Text], Field(max_length=32)] | None = None
    """What the runner wants known."""


class Ending(ApiModel):
    """Why the controller is ending the current attempt."""

    reason: Annotated[str, Field(max_length=64)]
    """One word for why."""
    message: Message = ""
    """A sentence for people."""


class ChildStatus(ApiModel):
    """What the current attempt was started with, and where it is."""

    job: Text
    """Name of its batch/v1 Job."""
    config_hash: Text
    """Hash of the configuration that it got."""
    runtime_hash: Text | None = None
    """Hash of the runtime's spec as it was when the run started; absent without a runtime."""
    made_at: Time | None = None
    """When it was made."""
    adapter_path: Text | None = None
    """Adapter that it starts from."""
    adapter_sha256: Text | None = None
    """Hash that this adapter must have."""
    node: Text | None = None
    """Node that its pod runs on; the first pod's, where there are several."""
    ending: Ending | None = None
    """Why the controller is ending it; absent while it may go on."""


class TenysonJobStatus(ApiModel):
    """What has become of the job."""

    observed_generation: int | None = None
    """Newest generation of the spec that the controller has acted on."""
    phase: Text | None = None
    """Pending, Queued, Starting, Running, Stopping, Suspended, Succeeded, Failed or Stopped, from
    the conditions."""
    conditions: Annotated[list[Condition], Field(max_length=16)] | None = None
    """The state, one aspect each."""
    run_id: Text | None = None
    """The run's id: the same over all attempts, derived from the resource's uid."""
    start_time: Time | None = None
    """When the first attempt was made."""
    completion_time: Time | None = None
    """When the run ended."""
    active_seconds: Annotated[float, Field(ge=0)] | None = None
    """Running time of the attempts, and parts of them, that have ended."""
    attempt: Count | None = None
    """The current attempt, from 0."""
    next_attempt_time: Time | None = None
    """When the next attempt may start, after one that failed."""
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
    pinned: Annotated[str, Field(max_length=16384)] | None = None
    """The runtime, and the configuration from configFrom, as they were when the run started, as
    JSON: later edits of either touch no attempt of this run."""
