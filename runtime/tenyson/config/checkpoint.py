"""When a run saves its state, and what it starts from."""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.config.section import PositiveInt, Section


class CheckpointConfig(Section):
    """When a run saves its state, and what it starts from."""

    every_steps: PositiveInt | None = None
    """Steps between two checkpoints; None saves by time only."""
    every_seconds: Annotated[float, Field(gt=0, le=1e7)] | None = 180.0
    """Seconds between two checkpoints; None saves by steps only."""
    max_save_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Share of the wall time that saving by time may take: slow saves come less often."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 3
    """Verified checkpoints kept over all attempts, the newest ones; broken ones do not count."""
    resume: Literal["auto", "never"] | PositiveInt = "auto"
    """What attempts start from: `auto` the newest verified checkpoint, `never` none; or a step."""
    grace_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Time between the request to stop and the kill; None takes TENYSON_GRACE_SECONDS, else 25."""
