"""What happened in an attempt: events, checkpoints, files that it left."""

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from tenyson.telemetry.tables.base import Base, RowOfAnAttempt, RowOfAStep


class Event(RowOfAStep, Base):
    """Something that a person wants to know of weeks later."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_run", "run_id", "attempt", "step"),
        Index("ix_events_moment", "run_id", "created_at"),
    )

    kind: Mapped[str]
    """`state`, `guard`, `oom`, `budget`, `checkpoint`, `telemetry` or `warning`."""
    level: Mapped[str]
    """`info`, `warning` or `error`."""
    name: Mapped[str]
    message: Mapped[str]
    details: Mapped[dict[str, Any] | None]


class Checkpoint(RowOfAStep, Base):
    """One checkpoint that was saved."""

    __tablename__ = "checkpoints"
    __table_args__ = (Index("ix_checkpoints_run", "run_id", "attempt", "step"),)

    path: Mapped[str]
    """Below the output folder."""
    uri: Mapped[str | None]
    """Where it was copied to; None where nothing is copied."""
    sha256: Mapped[str | None]
    """Of its manifest."""
    bytes: Mapped[int | None]
    seconds: Mapped[float | None]
    """What the save took."""
    is_final: Mapped[bool]


class Artifact(RowOfAnAttempt, Base):
    """One file that the attempt left."""

    __tablename__ = "artifacts"
    __table_args__ = (Index("ix_artifacts_run", "run_id", "attempt"),)

    kind: Mapped[str]
    path: Mapped[str]
    """Below the output folder."""
    uri: Mapped[str | None]
    sha256: Mapped[str | None]
    bytes: Mapped[int | None]
