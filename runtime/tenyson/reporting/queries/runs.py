"""Runs with their attempts: one by its name, some by a filter, some by their ids."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from tenyson.contract import ExitCode
from tenyson.errors import TenysonError
from tenyson.reporting.records import UNFINISHED, Attempt, Run
from tenyson.telemetry.tables import TABLES

_RUNS, _ATTEMPTS, _EXPERIMENTS = TABLES["runs"], TABLES["attempts"], TABLES["experiments"]
_NAMED_IN_AN_ERROR = 8


class RunNotFoundError(TenysonError, LookupError):
    """Raised when the database knows no such run, or more than one."""

    exit_code = ExitCode.CONFIG


@dataclass(frozen=True)
class Filters:
    """Which runs are wanted; None takes all."""

    experiment: str | None = None
    job_type: str | None = None
    status: str | None = None
    since: datetime | None = None
    limit: int = 20


def find_run(connection: Connection, given: str) -> str:
    """Returns the id of the run that has this id, this name, or an id that begins like this.

    Raises:
        RunNotFoundError: There is none, or more than one.
    """
    exact = connection.scalar(select(_RUNS.c.run_id).where(_RUNS.c.run_id == given))
    if exact is not None:
        return str(exact)
    columns = (_RUNS.c.run_id, _RUNS.c.name, _RUNS.c.created_at)
    for condition in (
        _RUNS.c.name == given,
        _RUNS.c.run_id.startswith(given, autoescape=True),
    ):
        newest = select(*columns).where(condition).order_by(_RUNS.c.created_at.desc())
        found = connection.execute(newest.limit(_NAMED_IN_AN_ERROR)).all()
        if len(found) == 1:
            return str(found[0].run_id)
        if found:
            raise RunNotFoundError(
                f"{given!r} is {len(found)} runs or more: {_listed(found)}.",
                hint="Give the id of one of them, or as much of it as no other begins with.",
            )
    newest = select(*columns).order_by(_RUNS.c.created_at.desc()).limit(_NAMED_IN_AN_ERROR)
    known = connection.execute(newest).all()
    raise RunNotFoundError(
        f"The database knows no run {given!r}."
        + (f" Its newest ones: {_listed(known)}." if known else " It holds no runs at all."),
        hint="`tenyson runs list` shows what there is; a run is named by its id, the beginning of "
        "its id, or its name.",
    )


def list_runs(connection: Connection, wanted: Filters) -> list[Run]:
    """Returns the runs that match, the newest first."""
    query = _selected().order_by(_RUNS.c.created_at.desc(), _RUNS.c.run_id).limit(wanted.limit)
    if wanted.experiment is not None:
        query = query.where(_EXPERIMENTS.c.name == wanted.experiment)
    if wanted.job_type is not None:
        query = query.where(func.lower(_RUNS.c.job_type) == wanted.job_type.lower())
    if wanted.since is not None:
        query = query.where(_RUNS.c.created_at >= wanted.since)
    if wanted.status is not None:
        query = _of_status(query, wanted.status)
    return _with_attempts(connection, connection.execute(query).all())


def runs_by_id(connection: Connection, run_ids: Iterable[str]) -> dict[str, Run]:
    """Returns those of the runs that the database knows, by id."""
    query = _selected().where(_RUNS.c.run_id.in_(sorted(set(run_ids))))
    return {run.run_id: run for run in _with_attempts(connection, connection.execute(query).all())}


def _selected() -> Select[Any]:
    joined = _RUNS.outerjoin(_EXPERIMENTS, _EXPERIMENTS.c.id == _RUNS.c.experiment_id)
    return select(_RUNS, _EXPERIMENTS.c.name.label("experiment")).select_from(joined)


def _of_status(query: Select[Any], status: str) -> Select[Any]:
    """Adds the condition that the newest attempt has this status."""
    later = _ATTEMPTS.alias()
    newest = select(_ATTEMPTS.c.status).where(
        _ATTEMPTS.c.run_id == _RUNS.c.run_id,
        ~select(later.c.id)
        .where(later.c.run_id == _ATTEMPTS.c.run_id, later.c.attempt > _ATTEMPTS.c.attempt)
        .exists(),
    )
    known = newest.correlate(_RUNS).scalar_subquery()
    return query.where(known.is_(None) if status == UNFINISHED else known == status)


def _with_attempts(connection: Connection, rows: Sequence[Any]) -> list[Run]:
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    query = (
        select(_ATTEMPTS)
        .where(_ATTEMPTS.c.run_id.in_([row.run_id for row in rows]))
        .order_by(_ATTEMPTS.c.run_id, _ATTEMPTS.c.attempt)
    )
    for row in connection.execute(query):
        attempts[row.run_id].append(_attempt(row._mapping))
    return [_run(row._mapping, tuple(attempts[row.run_id])) for row in rows]


_SAME = (
    *("attempt", "started_at", "ended_at", "status", "exit_code", "stop_reason"),
    *("global_step", "resumed_from_step", "wandb_url"),
)
_MAPPINGS = (
    *("phase_seconds", "tokens", "cost", "peak_memory", "hardware", "metrics", "failure"),
    "result",
)


def _attempt(row: Any) -> Attempt:
    values: dict[str, Any] = {name: row[name] for name in _SAME}
    values |= {name: in_key_order(row[name] or {}) for name in _MAPPINGS}
    return Attempt(**values, warnings=tuple(map(str, row["warnings"] or ())))


def _run(row: Any, attempts: tuple[Attempt, ...]) -> Run:
    same = ("run_id", "job_type", "created_at", "experiment", "namespace", "seed")
    return Run(
        **{name: row[name] for name in (*same, "dataset_key", "git_sha")},
        name=row["name"] or row["run_id"],
        task=row["task"] or "",
        model=row["model"] or "",
        config=in_key_order(row["config"] or {}),
        parents=tuple(map(str, row["parents"] or ())),
        manifest=in_key_order(row["manifest"] or {}),
        attempts=attempts,
    )


def in_key_order(value: Any) -> Any:
    """Returns JSON with the keys of its objects sorted: PostgreSQL keeps an order of its own."""
    if isinstance(value, dict):
        return {name: in_key_order(value[name]) for name in sorted(value)}
    return [in_key_order(item) for item in value] if isinstance(value, list) else value


def _listed(rows: Sequence[Any]) -> str:
    return ", ".join(
        row.run_id if row.name == row.run_id else f"{row.run_id} ({row.name})" for row in rows
    )
