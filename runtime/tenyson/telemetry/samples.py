"""What jobs hand to telemetry: groups of completions with their rewards, samples of an Eval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Completion:
    """One completion with its rewards; None stands for what the trainer does not know."""

    text: str | None
    """None where the group's text is not kept."""
    rewards: Mapping[str, float | None]
    """Function to its unweighted value; None where it did not apply."""
    total: float | None
    """The weighted sum; None when no function applied."""
    tokens: int | None = None
    truncated: bool | None = None
    """Whether it was cut at the longest that was allowed."""
    advantage: float | None = None
    logprob_gap: float | None = None
    """Mean |log p of the sampler - log p of the trainer| over its tokens."""
    latency_seconds: float | None = None
    extras: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PromptGroup:
    """A prompt and the completions sampled for it."""

    index: int
    """Place among the groups of this round of sampling, from 0."""
    prompt: str
    completions: Sequence[Completion]


@dataclass(frozen=True)
class EvalSample:
    """One completion of an evaluation."""

    row_id: str
    """Id of the dataset's row, unique in its dataset."""
    prompt: Any
    """Text, or a list of messages."""
    completion: Any
    sample_index: int = 0
    """Number of the sample for this prompt, from 0."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """What the task's metrics said about it, `{"correct": True}`."""
    tokens: int | None = None
    model: str = ""
    """Label of the model; empty where the run evaluates one model alone."""
    expected_answer: str | None = None
    truncated: bool | None = None
    latency_seconds: float | None = None
