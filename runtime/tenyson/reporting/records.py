"""What the database tells of a run, one class per kind of row that a report shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

UNFINISHED = "unfinished"
"""Status of an attempt that has left no end: it runs, or it was killed."""


@dataclass(frozen=True)
class Attempt:
    """One try at a run."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None = None
    """None while it runs, and for ever where it was killed."""
    status: str | None = None
    exit_code: int | None = None
    stop_reason: str | None = None
    global_step: int | None = None
    resumed_from_step: int | None = None
    wandb_url: str | None = None
    phase_seconds: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    peak_memory: Mapping[str, float] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    failure: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    """The JobResult as a whole."""
    warnings: tuple[str, ...] = ()

    @property
    def took(self) -> timedelta | None:
        """Wall time; None where no end was recorded."""
        return None if self.ended_at is None else self.ended_at - self.started_at


@dataclass(frozen=True)
class Run:
    """One run with its attempts, the first one first."""

    run_id: str
    name: str
    job_type: str
    """`sft`, `rl` or `eval`."""
    created_at: datetime
    experiment: str | None = None
    namespace: str | None = None
    task: str = ""
    model: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    dataset_key: str | None = None
    parents: tuple[str, ...] = ()
    """Runs that this one comes from; of some only the nearest, of others all."""
    git_sha: str | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()

    @property
    def last(self) -> Attempt | None:
        """The newest attempt; None for a run that has recorded none."""
        return self.attempts[-1] if self.attempts else None

    @property
    def status(self) -> str:
        """Status of the newest attempt, `unfinished` while there is none."""
        return (self.last.status if self.last else None) or UNFINISHED

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the newest attempt that has left some."""
        found = (attempt.metrics for attempt in reversed(self.attempts) if attempt.metrics)
        return next(found, {})

    @property
    def steps(self) -> int | None:
        """Optimiser steps done over all attempts; None where no attempt has told."""
        known = [a.global_step for a in self.attempts if a.global_step is not None]
        return known[-1] if known else None

    @property
    def took(self) -> timedelta | None:
        """Wall time of all attempts that have ended; None where none has."""
        known = [a.took for a in self.attempts if a.took is not None]
        return sum(known, timedelta()) if known else None

    @property
    def cost(self) -> Mapping[str, Any]:
        """`currency`, `rate` and `amount` over all attempts; empty without a price."""
        return next((a.cost for a in reversed(self.attempts) if a.cost), {})


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    run_id: str
    attempt: int
    step: int
    created_at: datetime
    kind: str
    level: str
    name: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """What was saved."""

    attempt: int
    step: int
    created_at: datetime
    path: str
    uri: str | None
    bytes: int | None
    seconds: float | None
    is_final: bool


@dataclass(frozen=True)
class Point:
    """A metric over some neighbouring steps, most often over one."""

    step: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Completion:
    """One completion of a group, with its rewards."""

    index: int
    text: str | None
    """None where `telemetry.keep` kept numbers only."""
    reward: float | None
    tokens: int | None = None
    truncated: bool | None = None
    advantage: float | None = None
    components: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """A prompt and what was sampled for it."""

    rollout_id: str
    attempt: int
    step: int
    prompt: str
    reward_mean: float | None
    reward_std: float | None
    completions: tuple[Completion, ...] = ()


@dataclass(frozen=True)
class Component:
    """A reward function at the first and at the last step that have rows."""

    name: str
    weight: float | None
    first: float | None
    last: float | None


@dataclass(frozen=True)
class ModelScores:
    """What an evaluation says of one model, prompt by prompt."""

    run_id: str
    label: str
    """The model's name within its run; empty where the run has one only."""
    scores: Mapping[str, Mapping[str, float]]
    """Metric to row id to score, the mean over a row's samples; only metrics that all rows have."""
    prompts: Mapping[str, str]
    """Row id to the prompt's hash."""
    samples: int = 1
    """Most completions for one prompt."""
    lower_is_better: frozenset[str] = frozenset()
    """Metrics of which less is better, as the task says."""


@dataclass(frozen=True)
class Answer:
    """One answer of an evaluation with its prompt."""

    row_id: str
    prompt: str
    expected: str | None
    completion: str
