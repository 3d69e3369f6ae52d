"""What a training run is watched for, and what happens then."""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.config.section import Section, Share, ShortString

Action = Literal["off", "warn", "stop", "rollback"]


class GuardsConfig(Section):
    """What a training run is watched for, and what happens then.

    `warn` tells once, `stop` ends the run with exit code 72 and a diagnosis, `rollback` goes back
    once to the newest checkpoint of before the trouble with half the learning rate, then stops.
    """

    non_finite: Literal["stop", "rollback"] = "stop"
    """A loss or a gradient that is no finite number; it never reaches the weights."""
    patience: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Logged steps in a row that must be bad before a guard acts; `non_finite` acts at once."""
    grad_spike: Action = "warn"
    """A gradient's norm far above its running median."""
    grad_spike_factor: Annotated[float, Field(gt=1, le=1e6)] = 20.0
    """How far: times the median."""
    entropy: Action = "stop"
    """RL: mean entropy of the policy below `entropy_floor` and a tenth of what it began with, while
    completions still earn differently: it says always the same, and not because it is right."""
    entropy_floor: Annotated[float, Field(ge=0, le=100)] = 0.03
    """In nats a token."""
    zero_variance: Action = "warn"
    """RL: too large a share of groups whose completions all earn the same."""
    max_zero_variance_share: Share = 0.9
    """The share above which they are too many."""
    clipped: Action = "warn"
    """RL: too many completions cut at `rl.max_completion_length`."""
    max_clipped_share: Share = 0.9
    """The share above which they are too many."""
    distinct: Action = "warn"
    """RL: too few different completions within a round of sampling, half of what it began with."""
    min_distinct_share: Share = 0.05
    """The share below which they are too few."""
    logprob_gap: Action = "warn"
    """RL: log-probabilities of the sampler and the trainer lie apart, in the mean over tokens."""
    max_logprob_gap: Annotated[float, Field(gt=0, le=100)] = 0.1
    """In nats a token."""
    reward_hacking: Action = "warn"
    """RL: the reward rises while the target falls, both beyond what chance would do."""
    target: ShortString | None = None
    """Name of the target in the logged metrics, such as `rewards/NAME/mean`; None is each of the
    reward functions with the largest weight, where there are several functions."""
