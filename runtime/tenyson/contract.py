"""What the controller and the runner agree on: environment, paths, file names, exit codes.

Both sides import this module and nothing heavier, so neither can drift from the other.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Final

RUNS_FOLDER: Final = "artifacts/training_runs"
"""Holds the folders of runs that are given none, below the current folder."""


class JobType(StrEnum):
    """The three kinds of job, spelled as `--job-type` takes them."""

    SFT = "sft"
    RL = "rl"
    EVAL = "eval"


class ExitCode(IntEnum):
    """How a runner process ends; the controller decides on retries from this number alone."""

    DONE = 0
    CONFIG = 64
    """The configuration is wrong: never retried."""
    TASK = 65
    """The task or its data is wrong: never retried."""
    DEPENDENCY = 69
    """The Hub, the storage or a library was unavailable at the start: infrastructure."""
    INTERNAL = 70
    """A bug, ours or a library's: retried within `retry.maxRetries`."""
    OUT_OF_MEMORY = 71
    """Out of memory: retried within `retry.maxRetries`."""
    DIVERGED = 72
    """A guard stopped the run: failed."""
    BUDGET = 73
    """The budget is used up; the result is valid."""
    STOPPED = 75
    """Preempted or stopped with a checkpoint saved: infrastructure."""
    CREDENTIALS = 77
    """A token or a key is missing or refused: never retried."""


class Env:
    """Names of the environment variables that the controller sets and the runner reads."""

    RUN_ID: Final = "TENYSON_RUN_ID"
    JOB_NAME: Final = "TENYSON_JOB_NAME"
    """Name of the TenysonJob, for telemetry; without it the output folder's."""
    JOB_NAMESPACE: Final = "TENYSON_JOB_NAMESPACE"
    ATTEMPT: Final = "TENYSON_ATTEMPT"
    OUTPUT_DIR: Final = "TENYSON_OUTPUT_DIR"
    OUTPUT_URI: Final = "TENYSON_OUTPUT_URI"
    TELEMETRY_DB_URL: Final = "TENYSON_TELEMETRY_DB_URL"
    SECRETS: Final = "TENYSON_SECRETS"
    """Names of the variables that come from Secrets, separated by commas: the runner hides their
    values in all that it says."""
    RESULT_PATH: Final = "TENYSON_RESULT_PATH"
    PROGRESS_URL: Final = "TENYSON_PROGRESS_URL"
    PROGRESS_TOKEN_FILE: Final = "TENYSON_PROGRESS_TOKEN_FILE"
    PROGRESS_CA_FILE: Final = "TENYSON_PROGRESS_CA_FILE"
    ADAPTER_PATH: Final = "TENYSON_ADAPTER_PATH"
    """Folder or URI of the adapter to start from (`spec.adapterFrom`)."""
    ADAPTER_SHA256: Final = "TENYSON_ADAPTER_SHA256"
    """What that adapter's hash must be; a difference ends the run with TASK."""
    CACHE_DIR: Final = "TENYSON_CACHE_DIR"
    DATASETS: Final = "TENYSON_DATASETS"
    """Folder or URI of the store of data sets; `data.dataset_store` overrides it."""
    START_TIMEOUT: Final = "TENYSON_START_TIMEOUT_SECONDS"
    """How long the first of several ranks waits for the last; 1800 s without it."""
    PEER_TIMEOUT: Final = "TENYSON_PEER_TIMEOUT_SECONDS"
    """How long a rank may be silent before the others give it up; 60 s without it."""
    GRACE_SECONDS: Final = "TENYSON_GRACE_SECONDS"
    """Time between SIGTERM and SIGKILL; `checkpoint.grace_seconds` overrides it."""
    PREEMPTION_NOTICE: Final = "TENYSON_PREEMPTION_NOTICE"
    """Where word of a coming preemption is looked for: `ec2`, `gce` or `file`; unset: nowhere."""
    PREEMPTION_FILE: Final = "TENYSON_PREEMPTION_FILE"
    """With the notice `file`: the run stops once this file exists."""
    HUB_REPO: Final = "TENYSON_HUB_REPO"
    """Repository on the Hub that a finished SFT or RL run is pushed to; without it none is."""
    HUB_PRIVATE: Final = "TENYSON_HUB_PRIVATE"
    """`true` or `false`: whether that repository is made private; without it, it is."""
    IMAGE_DIGEST: Final = "TENYSON_IMAGE_DIGEST"
    """Digest of the image that the runner is in, for the manifest."""
    GIT_SHA: Final = "TENYSON_GIT_SHA"
    """Commit of the code in an image, which has no repository; for the manifest."""
    REPLAY_OF: Final = "TENYSON_REPLAY_OF"
    """Manifest of a run that this one is to repeat; it is compared with before training."""
    REPLAY_FORCE: Final = "TENYSON_REPLAY_FORCE"
    """`1`: a repetition goes on where the data or the weights differ from that manifest's."""
    HUB_TOKEN: Final = "HF_TOKEN"
    """The Hub's own name for its token, so that private models load with it, too."""


class File:
    """File names inside a run's output folder."""

    JOB_RESULT: Final = "job_result.json"
    RESULTS: Final = "results.json"
    NAMED_RESULTS: Final = "results-{name}.json"
    """Of the further models that one evaluation compares."""
    EVAL_OUTPUTS: Final = "eval_outputs.jsonl"
    """What an evaluation was answered, a line a completion; two of them make a delta report."""
    NAMED_EVAL_OUTPUTS: Final = "eval_outputs-{name}.jsonl"
    """Of the further models that one evaluation compares."""
    EVAL_SAMPLES: Final = "eval_samples.jsonl"
    """What an evaluation has generated so far; its next attempt goes on from there."""
    MANIFEST: Final = "run_manifest.json"
    METRICS: Final = "metrics.jsonl"
    TELEMETRY_SPOOL: Final = "telemetry_spool.jsonl"
    FINAL_CHECKPOINT: Final = "checkpoint-final"
    CHECKPOINT_MANIFEST: Final = "checkpoint_manifest.json"
    ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
    """PEFT's name for an adapter's tensors; its hash is the adapter's."""
    FAILURE: Final = "failure.txt"
    AMENDMENTS: Final = "amendments.json"
    """What the run has changed of its own configuration, after a lack of memory or a rollback."""
    USAGE: Final = "usage.json"
    """What each attempt has used of the run's budget."""
    ATTEMPT_FOLDER: Final = "attempt-{attempt}"
    """Holds the checkpoints of one attempt, and a copy of the result that it left."""
    NEWEST_ATTEMPT: Final = "newest_attempt.json"
    """Names the attempt that may write here; an older one finds itself superseded."""


class PodPath:
    """Where things lie inside a runner's container."""

    CONFIG_DIR: Final = "/tenyson/config"
    CONFIG: Final = "/tenyson/config/config.json"
    OUTPUT: Final = "/tenyson/output"
    PROGRESS_DIR: Final = "/tenyson/progress"
    PROGRESS_TOKEN: Final = "/tenyson/progress/token"
    PROGRESS_CA: Final = "/tenyson/config/progress-ca.crt"
    TERMINATION_LOG: Final = "/dev/termination-log"


PROGRESS_AUDIENCE: Final = "tenyson.dev/progress"
"""Audience of the projected token with which a pod reports its progress."""

TERMINATION_MESSAGE_BYTES: Final = 4096
"""What a kubelet keeps of a termination message."""


_TELLING: Final[tuple[int, ...]] = (
    ExitCode.CONFIG,
    ExitCode.TASK,
    ExitCode.CREDENTIALS,
    ExitCode.DIVERGED,
    ExitCode.OUT_OF_MEMORY,
    ExitCode.INTERNAL,
    ExitCode.DEPENDENCY,
    ExitCode.STOPPED,
    ExitCode.BUDGET,
    ExitCode.DONE,
)


def most_telling(codes: Iterable[int]) -> int:
    """Returns the exit code that explains most of how several ranks ended.

    One rank's end brings the others' about: what only a person can mend comes first, then what a
    retry may mend, then what merely tells of another rank. A code of nobody's (134, say, or the
    negative number of a signal) counts as INTERNAL.
    """
    known = (code if code in _TELLING else ExitCode.INTERNAL for code in codes)
    return int(min(known, key=_TELLING.index))
