"""What happened to runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, or_, select

from tenyson.reporting.queries.runs import in_key_order
from tenyson.reporting.records import Event
from tenyson.telemetry.tables import TABLES

TOLD_KINDS = ("guard", "oom", "budget", "state")
"""Of these every event is told; of others only warnings and errors."""
TOLD_ELSEWHERE = ("run_started", "attempt_started", "attempt_ended", "run_ended")
"""Names of events that say no more than the table of attempts does."""
_EVENTS = TABLES["events"]
_HEAD = ("run_id", "attempt", "step", "created_at", "kind")


def told_events(connection: Connection, run_ids: Sequence[str], *, limit: int = 100) -> list[Event]:
    """Returns the events that tell something, the oldest first; of too many the newest ones."""
    c = _EVENTS.c
    query = (
        select(_EVENTS)
        .where(
            c.run_id.in_(run_ids),
            or_(c.kind.in_(TOLD_KINDS), c.level != "info"),
            or_(c.name.not_in(TOLD_ELSEWHERE), c.level != "info"),
        )
        .order_by(c.created_at.desc(), c.step.desc(), c.id)
        .limit(limit)
    )
    return [_event(row) for row in reversed(connection.execute(query).mappings().all())]


def _event(row: Any) -> Event:
    values: dict[str, Any] = {name: row[name] for name in _HEAD}
    values |= {name: row[name] or "" for name in ("level", "name", "message")}
    return Event(**values, details=in_key_order(row["details"] or {}))


def event_counts(connection: Connection, run_ids: Sequence[str]) -> Mapping[tuple[str, str], int]:
    """Returns how many events there are by kind and level."""
    c = _EVENTS.c
    query = (
        select(c.kind, c.level, func.count()).where(c.run_id.in_(run_ids)).group_by(c.kind, c.level)
    )
    rows = sorted(tuple(row) for row in connection.execute(query))
    return {(kind, level): count for kind, level, count in rows}
