"""Which runs belong together: SFT, RL on top of it, and what evaluated them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Text, cast, func, or_, select

from tenyson.contract import JobType
from tenyson.telemetry.tables import TABLES

GENERATIONS = 32
"""Parents of parents that are followed."""
BASE_CANDIDATES = 5
"""Newest evaluations of the base model that are looked at."""
_RUNS = TABLES["runs"]


def lineage(connection: Connection, run_ids: Sequence[str]) -> list[str]:
    """Returns the ids of these runs, of those that they come from, and of their evaluations.

    Evaluations of the base model are among them: of the same task and model, and of the same
    experiment where the runs are of one. Whether they asked the same prompts is for the reader of
    their scores to see.
    """
    chain = _ancestors(connection, run_ids)
    evaluations = _evaluations(connection, chain)
    bases = _base_evaluations(connection, chain) if evaluations else []
    return list(dict.fromkeys([*chain, *evaluations, *bases]))


def _ancestors(connection: Connection, run_ids: Iterable[str]) -> list[str]:
    known: dict[str, None] = {}
    frontier = list(run_ids)
    for _ in range(GENERATIONS):
        if not frontier:
            break
        rows = connection.execute(
            select(_RUNS.c.run_id, _RUNS.c.parents).where(_RUNS.c.run_id.in_(frontier))
        ).all()
        known |= dict.fromkeys(row.run_id for row in rows)
        parents = dict.fromkeys(str(p) for row in rows for p in row.parents or ())
        frontier = [parent for parent in parents if parent not in known]
    return list(known)


def _evaluations(connection: Connection, chain: Sequence[str]) -> list[str]:
    """Eval runs of models that the chain trained; not those of what was trained on top of it."""
    text = cast(_RUNS.c.parents, Text)
    mentions = [text.contains(json.dumps(run_id), autoescape=True) for run_id in chain]
    rows = connection.execute(
        select(_RUNS.c.run_id, _RUNS.c.parents, _RUNS.c.config)
        .where(func.lower(_RUNS.c.job_type) == JobType.EVAL.value, or_(*mentions))
        .order_by(_RUNS.c.created_at)
    ).all()
    named = {str(parent) for row in rows for parent in row.parents or ()}
    known = connection.execute(
        select(_RUNS.c.run_id, _RUNS.c.parents).where(_RUNS.c.run_id.in_(sorted(named)))
    )
    parents = {row.run_id: set(map(str, row.parents or ())) for row in known}
    return [row.run_id for row in rows if not set(chain).isdisjoint(_evaluated(row, parents))]


def _evaluated(row: Any, parents: Mapping[str, set[str]]) -> set[str]:
    """The runs whose models an evaluation is of: the nearest ones, or all that it names."""
    named = set(map(str, row.parents or ()))
    if ((row.config or {}).get("evaluation") or {}).get("adapters"):
        return named
    return named - set().union(*(parents.get(parent, set()) for parent in named))


def _base_evaluations(connection: Connection, chain: Sequence[str]) -> list[str]:
    about = connection.execute(
        select(_RUNS.c.task, _RUNS.c.model, _RUNS.c.experiment_id)
        .where(_RUNS.c.run_id.in_(chain))
        .distinct()
    ).all()
    text = cast(_RUNS.c.parents, Text)
    query = (
        select(_RUNS.c.run_id)
        .where(
            func.lower(_RUNS.c.job_type) == JobType.EVAL.value,
            or_(_RUNS.c.parents.is_(None), text.in_(["[]", "null"])),
            _RUNS.c.task.in_([row.task for row in about]),
            _RUNS.c.model.in_([row.model for row in about]),
        )
        .order_by(_RUNS.c.created_at.desc())
        .limit(BASE_CANDIDATES)
    )
    experiments = {row.experiment_id for row in about}
    if None not in experiments:
        query = query.where(_RUNS.c.experiment_id.in_(experiments))
    return [row.run_id for row in connection.execute(query)]
