"""Reasons of conditions and Events: a word for programs and a sentence for people, in one table."""

from enum import Enum
from typing import Any


class Reason(Enum):
    """A reason, with the sentence that goes with it."""

    # Accepted
    VALID = (
        "Valid",
        "The spec is valid, and the Secrets, ConfigMaps and runtime that it names were found.",
    )
    INVALID_CONFIG = (
        "InvalidConfig",
        "The configuration was refused; correct it, and the job starts by itself. {problems}",
    )
    INVALID_SPEC = (
        "InvalidSpec",
        "The controller cannot read the spec; correct it, or upgrade the controller. {problems}",
    )
    DEPENDENCY_CYCLE = (
        "DependencyCycle",
        "The jobs wait for one another in a circle: {cycle}. "
        "Remove one of these entries from dependsOn or adapterFrom.",
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        "{missing}. Create it in namespace {namespace}; the job then starts by itself.",
    )
    CONFIG_MAP_NOT_FOUND = (
        "ConfigMapNotFound",
        "{missing}. Create it in namespace {namespace}; the job then starts by itself.",
    )
    REFERENCE_FORBIDDEN = (
        "ReferenceForbidden",
        "The controller may not read {reference}; grant its service account get on it in "
        "namespace {namespace}.",
    )
    ADAPTER_UNAVAILABLE = "AdapterUnavailable", "{problem}"
    RUNTIME_NOT_FOUND = (
        "RuntimeNotFound",
        "spec.runtimeRef names {kind} {name}, which does not exist; create it, and the job starts "
        "by itself.",
    )
    RUNTIME_FORBIDDEN = (
        "RuntimeForbidden",
        "spec.runtimeRef names ClusterTenysonRuntime {name}, which a controller of some namespaces "
        "may not read; name a TenysonRuntime instead, or grant its service account list and watch "
        "on clustertenysonruntimes.",
    )
    INVALID_RUNTIME = (
        "InvalidRuntime",
        "{kind} {name} cannot be used; correct it, and the job starts by itself. {problems}",
    )
    INVALID_CONFIG_SOURCE = (
        "InvalidConfigSource",
        "spec.configFrom: key {key} of ConfigMap {name} {problem}; correct it, and the job starts "
        "by itself.",
    )
    BACKEND_NOT_SUPPORTED = (
        "BackendNotSupported",
        "spec.backend is Modal, which this version cannot run; make the job with backend: "
        "Kubernetes.",
    )
    IMAGE_MISSING = (
        "ImageMissing",
        "spec.image is empty and the controller has no default image; set spec.image, or "
        "TENYSON_RUNNER_IMAGE for the controller.",
    )

    # Waiting to start
    DEPENDENCY_NOT_FOUND = (
        "DependencyNotFound",
        "TenysonJob {job} does not exist in namespace {namespace}; the job starts once it does and "
        "is {condition}.",
    )
    WAITING_FOR_DEPENDENCY = (
        "WaitingForDependency",
        "Waiting for TenysonJob {job} to be {condition}.",
    )
    BACKING_OFF = (
        "BackingOff",
        "Attempt {attempt} starts at {time}, after attempt {last}: {reason}.",
    )
    WAITING_FOR_PODS = (
        "WaitingForPods",
        "Waiting for the pods of an earlier attempt to be gone: {pods}.",
    )
    NAME_TAKEN = (
        "NameTaken",
        "{kind} {child} exists and does not belong to this run; delete it, and the job goes on, "
        "or make the job under another name.",
    )

    CHILD_REFUSED = (
        "ChildRefused",
        "The API server did not take what the attempt needs; it is tried again. It said: {message}",
    )
    CHILD_INVALID = (
        "ChildInvalid",
        "The API server finds what the attempt needs invalid; correct the spec or the runtime, and "
        "the job starts by itself. It said: {message}",
    )
    STRAY_ATTEMPT = "StrayAttempt", "Job {child} of an attempt that is over is being deleted."

    # Queue
    QUEUED = (
        "Queued",
        "LocalQueue {queue} has not admitted the run yet; kubectl describe localqueue {queue} "
        "tells why, or that there is none.",
    )
    ADMITTED = "Admitted", "LocalQueue {queue} has admitted the run."

    # Running
    STARTING = "Starting", "Job {child} was made; waiting for its pod to run."
    POD_WAITING = "PodWaiting", "The pod does not run yet: {detail}"
    POD_MISSING = (
        "PodMissing",
        "Job {child} has no pod yet, and makes it once that is mended: {detail}",
    )
    POD_LEAVING = (
        "PodLeaving",
        "Pod {pod} on node {node} is going away ({why}); the attempt is over when it is gone. "
        "If it stays because its node is lost for good, delete the Node.",
    )
    RUNNING = "Running", "Attempt {attempt} runs."
    RUNNING_PARTLY = "RunningPartly", "{ready} of {nodes} pods of attempt {attempt} run."
    SETTLING = "Settling", "Attempt {attempt} has ended; waiting for its pod's last state."

    # Suspended
    SUSPENDED = "Suspended", "The run is suspended; set spec.suspend to false to go on."
    SUSPENDING = "Suspending", "The run stops at its next step and saves a checkpoint."
    RESUMED = "Resumed", "spec.suspend is false again."

    # Checkpoints and progress
    SAVED = "Saved", "The newest checkpoint is of step {step}."
    NOT_SAVED = "NotSaved", "No checkpoint has been saved yet."
    NOT_KEPT = (
        "NotKept",
        "Checkpoints vanish with the pod: neither output.volumeClaim nor output.uri is set.",
    )
    PROGRESSING = "Progressing", "Steps go on."

    # Ending an attempt
    STOPPING = "Stopping", "spec.stop is true: the run saves a checkpoint and ends."
    BUDGET_SPENT = (
        "BudgetSpent",
        "The run has cost {cost} of spec.budget.maxCost {most} {currency}; it saves and ends.",
    )
    ACTIVE_TOO_LONG = (
        "ActiveTooLong",
        "The run has been running for {seconds} s (spec.activeDeadlineSeconds); it is ended.",
    )
    PENDING_TOO_LONG = (
        "PendingTooLong",
        "Attempt {attempt} has waited {seconds} s (spec.pendingDeadlineSeconds), and the run is "
        "ended. It waited for this: {why}",
    )
    HANGING = (
        "Hanging",
        "Attempt {attempt} has done no step for {seconds} s (spec.progressDeadlineSeconds); it is "
        "killed and made again from the newest checkpoint.",
    )
    POD_LOST = (
        "PodLost",
        "Pod {pod} of attempt {attempt} is going away ({why}); the attempt ends as a whole.",
    )

    # Attempts, and how the run ended
    SUCCEEDED = "Succeeded", "The run did all that it was asked to."
    BUDGET_REACHED = (
        "BudgetReached",
        "The run stopped because its budget is used up; the result is valid.",
    )
    CONFIG_REFUSED = (
        "ConfigRefused",
        "The runner refused the configuration, and would again; correct it in a new TenysonJob.",
    )
    TASK_REFUSED = (
        "TaskRefused",
        "The task or its data is wrong, and would be again; mend it, and make a new TenysonJob.",
    )
    CREDENTIALS_REFUSED = (
        "CredentialsRefused",
        "A token or a key is missing or was refused; mend its Secret, and make a new TenysonJob.",
    )
    DIVERGED = (
        "Diverged",
        "The run diverged, and would again; change its configuration in a new TenysonJob.",
    )
    DEPENDENCY_UNAVAILABLE = (
        "DependencyUnavailable",
        "The Hub, the storage or a library was unavailable at the start.",
    )
    INTERNAL_ERROR = "InternalError", "The runner failed on an internal error."
    OUT_OF_MEMORY = "OutOfMemory", "The run did not fit into memory."
    STOPPED = "Stopped", "The pod was told to stop, and saved a checkpoint first."
    KILLED = "Killed", "The process was killed from outside (SIGKILL), not for its memory."
    TERMINATED = "Terminated", "The process ended on SIGTERM before it could save."
    CRASHED = "Crashed", "The runner ended with an exit code that it does not use itself."
    EVICTED = "Evicted", "The kubelet evicted the pod."
    DISRUPTED = "Disrupted", "The cluster took the pod away (preemption, drain, or a lost node)."
    POD_DELETED = "PodDeleted", "The pod or its Job was deleted, and left no exit code."
    POD_FAILED = "PodFailed", "The pod failed before its container ran."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "The attempt did no step for longer than spec.progressDeadlineSeconds.",
    )
    STOP_REQUESTED = "StopRequested", "The run was ended by spec.stop."
    DEADLINE_EXCEEDED = (
        "DeadlineExceeded",
        "The run ran longer than spec.activeDeadlineSeconds, suspensions not counted; a new "
        "TenysonJob may have longer.",
    )
    PENDING_DEADLINE_EXCEEDED = (
        "PendingDeadlineExceeded",
        "No pod ran in time.",
    )
    RETRIES_EXHAUSTED = (
        "RetriesExhausted",
        "The run failed after {used} of {most} retries (spec.retry.maxRetries); last: {last}",
    )
    INFRA_RETRIES_EXHAUSTED = (
        "InfraRetriesExhausted",
        "The cluster ended the run after {used} of {most} retries (spec.retry.maxInfraRetries); "
        "last: {last}",
    )
    DEPENDENCY_FAILED = (
        "DependencyFailed",
        "TenysonJob {job} is {state}, and this job needs it {condition}. "
        "Make a new run of {job}, and of this job after it.",
    )

    # Over
    TRACKED_IN_GIT = (
        "TrackedInGit",
        "spec.ttlSecondsAfterFinished is over, and the TenysonJob stays: {tool} has it from Git "
        "({mark}) and would make it again, to run again. Its child Jobs are deleted. Take it out "
        "of Git to delete it.",
    )

    def __init__(self, word: str, sentence: str) -> None:
        self.word = word
        self.sentence = sentence

    def say(self, **values: Any) -> str:
        """Returns the sentence with its blanks filled in."""
        return self.sentence.format(**values)
