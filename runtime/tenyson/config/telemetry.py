"""Where the numbers, texts and events of a run go."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tenyson.config.section import Section

Keep = Literal["all", "every_k", "extremes"]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class TelemetryConfig(Section):
    """Where structured metrics go."""

    db_url: Annotated[str, Field(max_length=4096)] | None = None
    """SQLAlchemy URL of SQLite or PostgreSQL; None uses TENYSON_TELEMETRY_DB_URL, if set."""
    keep: Keep = "all"
    """Which groups of RL keep their completions' text: all; one in `keep_every`; or the best and
    the worst of each round of sampling and those whose rewards are all equal. Numbers are kept of
    every completion, and an evaluation keeps every text."""
    keep_every: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """With `keep: every_k`, one group in so many keeps its texts; the place moves with the step."""
    experiment: Name | None = None
    """A name that runs share which belong together; None puts the run into none."""
    report_to: Annotated[list[Literal["wandb", "trackio"]], Field(max_length=2)] = []
    """Trackers that are told beside the database; each reads its own variables (WANDB_MODE,
    WANDB_API_KEY, TRACKIO_SPACE_ID), and one that fails ends no run."""
    project: Name = "tenyson"
    """The trackers' project."""
    run_name: Name | None = None
    """The run's name there; None is the TenysonJob's, or the run's id."""
    group: Name | None = None
    """The run's group there; None is `experiment`."""
    tags: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32)
    ] = []
    """The run's tags there."""

    @field_validator("report_to")
    @classmethod
    def _each_once(cls, report_to: list[str]) -> list[str]:
        if len(set(report_to)) < len(report_to):
            raise ValueError("names a tracker twice; name each once")
        return report_to
