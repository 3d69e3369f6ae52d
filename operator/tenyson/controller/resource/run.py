"""What a job and a runtime may both say about a run; the job's own word wins.

None of these fields has a default in the CRD: a value that the API server filled in could not be
told from one that the job's author wrote, and would hide the runtime's.
"""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.controller.resource.types import ApiModel, KeyRef, ObjectName


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


class Hub(ApiModel):
    """A repository of the Hugging Face Hub that the finished adapter is pushed to."""

    repo: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Its id, `team/wordle-rl`; null pushes nothing."""
    private: bool | None = None
    """Whether a repository that is made for it is private. Default: true."""
    token_secret_ref: KeyRef | None = None
    """Secret key with a token that may write to it."""


class Output(ApiModel):
    """Where the run's files stay. With neither uri nor volumeClaim, they vanish with the pod."""

    uri: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Storage that files are uploaded to, `s3://bucket/runs`; each run has its own folder there."""
    volume_claim: ObjectName | None = None
    """PersistentVolumeClaim of the namespace, mounted as the output folder and the cache."""
    hub: Hub | None = None
    """Repository that the finished adapter is pushed to."""


class Checkpoint(ApiModel):
    """When the run saves its state, and what an attempt starts from; overrides config.checkpoint.

    What is set nowhere takes the runner's own default.
    """

    every_steps: Annotated[int, Field(ge=1, le=2_147_483_647)] | None = None
    """Steps between two checkpoints. Default: by time only."""
    every_seconds: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Seconds between two checkpoints. Default: 180."""
    keep: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Checkpoints kept, the newest ones. Default: 3."""
    resume: Annotated[int, Field(ge=1)] | Literal["Auto", "Never"] | None = None
    """Auto: the newest sound checkpoint. Never: none. Or a step. Default: Auto."""


class Retry(ApiModel):
    """How often an attempt that failed is made again, and when."""

    max_retries: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Retries after the run's own failures: a crash, out of memory, a hang. Default: 2."""
    max_infra_retries: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Retries after the cluster's: a lost node, an eviction, a deleted pod. Default: 10."""
    backoff_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Wait before the first retry; each one doubles it, give or take a fifth. Default: 10."""
    backoff_max_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """Longest wait before a retry. Default: 600."""
