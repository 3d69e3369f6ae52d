"""What runs have saved."""

from sqlalchemy import Connection, select

from tenyson.reporting.records import Checkpoint
from tenyson.telemetry.tables import TABLES

_CHECKPOINTS = TABLES["checkpoints"]


def checkpoints(connection: Connection, run_id: str, *, limit: int = 20) -> list[Checkpoint]:
    """Returns the newest checkpoints of a run, the oldest of them first."""
    c = _CHECKPOINTS.c
    names = ("attempt", "step", "created_at", "path", "uri", "bytes", "seconds", "is_final")
    query = (
        select(*(c[name] for name in names))
        .where(c.run_id == run_id)
        .order_by(c.attempt.desc(), c.step.desc(), c.created_at.desc())
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    return [Checkpoint(**dict(row)) for row in reversed(rows)]
