"""Logged metrics over the steps, and their last values.

A curve is asked for in at most 200 pieces whatever its length; where a piece holds several steps,
their mean, least and greatest value come back. Uses the index of `metrics` by run, name and step.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

from tenyson.reporting.records import Point
from tenyson.reporting.steps import NO_LIMIT
from tenyson.telemetry.tables import TABLES

PIECES = 200
LAST_ROWS = 3000
"""Rows among which the last values are looked for, some hundred log lines."""
LOGGED = ("train", "eval")
"""Kinds of what a trainer logs; a phase has names of its own, of which `reward` is one."""
_METRICS = TABLES["metrics"]


def curves(
    connection: Connection, run_id: str, names: Sequence[str], last_steps: Mapping[int, int]
) -> dict[str, list[Point]]:
    """Returns what the trainer logged by step, the smallest first, without what it did not log.

    Args:
        connection: To the database.
        run_id: Of the run.
        names: Of the metrics.
        last_steps: By attempt the last step that counts.
    """
    wanted = and_(
        _METRICS.c.run_id == run_id,
        _METRICS.c.name.in_(names),
        _METRICS.c.kind.in_(LOGGED),
        _METRICS.c.value.is_not(None),
        counted(_METRICS, last_steps),
    )
    last = connection.scalar(select(func.max(_METRICS.c.step)).where(wanted))
    if last is None:
        return {}
    piece = _METRICS.c.step // max(1, -(-(last + 1) // PIECES))
    value = _METRICS.c.value
    query = (
        select(
            _METRICS.c.name,
            func.avg(_METRICS.c.step),
            func.avg(value),
            func.min(value),
            func.max(value),
        )
        .where(wanted)
        .group_by(_METRICS.c.name, piece)
    )
    found: dict[str, list[Point]] = defaultdict(list)
    # Sorted here: asked for in order, PostgreSQL sorts every row of a long run on its disk first.
    for name, *numbers in sorted(tuple(row) for row in connection.execute(query)):
        found[name].append(Point(*map(float, numbers)))
    return {name: found[name] for name in names if name in found}


def last_values(
    connection: Connection, run_id: str, last_steps: Mapping[int, int]
) -> dict[str, tuple[int, float]]:
    """Returns the step and the value of each metric where it was logged last, by name.

    What the trainer did not log itself has its kind before its name: `phase/reward` is seconds.
    """
    rows = connection.execute(
        select(_METRICS.c.kind, _METRICS.c.name, _METRICS.c.step, _METRICS.c.value)
        .where(_METRICS.c.run_id == run_id, counted(_METRICS, last_steps))
        .order_by(_METRICS.c.attempt.desc(), _METRICS.c.step.desc(), _METRICS.c.name)
        .limit(LAST_ROWS)
    )
    found: dict[str, tuple[int, float]] = {}
    for kind, name, step, value in rows:
        if value is not None:
            shown = name if kind in LOGGED else f"{kind}/{name}"
            found.setdefault(shown, (step, float(value)))
    return dict(sorted(found.items()))


def counted(
    table: Any, last_steps: Mapping[int, int], *, made_before: bool = False
) -> ColumnElement[bool]:
    """Returns the condition that a row is of no step that a later attempt has undone.

    Args:
        table: With columns `attempt` and `step`.
        last_steps: By attempt the last step that counts.
        made_before: Whether rows bear the number of steps done before theirs, as rollouts do.
    """
    conditions: list[ColumnElement[bool]] = [true()]
    for attempt, last in last_steps.items():
        if last != NO_LIMIT:
            undone = table.c.step >= last if made_before else table.c.step > last
            conditions.append(or_(table.c.attempt != attempt, ~undone))
    return and_(*conditions)
