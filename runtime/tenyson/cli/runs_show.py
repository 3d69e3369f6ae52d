"""`tenyson runs show`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenyson.cli.terminal import cell, console, heading, status_cell, table
from tenyson.reporting import queries
from tenyson.reporting.lineage import shown_type
from tenyson.reporting.numbers import bytes_text
from tenyson.reporting.records import Checkpoint, Event, Point, Run
from tenyson.reporting.report.panels import WANTED, reward_metrics
from tenyson.reporting.report.words import duration, moment, money, number
from tenyson.reporting.sparkline import sparkline
from tenyson.reporting.steps import last_steps
from tenyson.reporting.tables import first_metrics

if TYPE_CHECKING:
    from sqlalchemy import Engine

SHOWN_EVENTS = 15
SHOWN_CHECKPOINTS = 5
CURVE_WIDTH = 40


@dataclass(frozen=True)
class Shown:
    """A run and what is told of it."""

    run: Run
    related: Sequence[Run]
    """Those that it comes from, and its evaluations."""
    events: Sequence[Event]
    checkpoints: Sequence[Checkpoint]
    last: Mapping[str, tuple[int, float]]
    curves: Mapping[str, Sequence[Point]]


def read_shown(engine: "Engine", given: str) -> Shown:
    """Returns what the database tells of the run.

    Raises:
        RunNotFoundError: It knows no such run, or several.
    """
    with engine.connect() as connection:
        run_id = queries.find_run(connection, given)
        found = queries.runs_by_id(connection, queries.lineage(connection, [run_id]))
        run = found.pop(run_id)
        limits = last_steps(run.attempts)
        last = queries.last_values(connection, run_id, limits)
        related = [r for r in found.values() if r.run_id in run.parents or run_id in r.parents]
        return Shown(
            run,
            sorted(related, key=lambda r: r.created_at),
            queries.told_events(connection, [run_id], limit=SHOWN_EVENTS),
            queries.checkpoints(connection, run_id, limit=SHOWN_CHECKPOINTS),
            last,
            queries.curves(connection, run_id, [*WANTED, *reward_metrics(last)], limits),
        )


def print_shown(shown: Shown) -> None:
    """Prints the run, section by section."""
    out, run = console(), shown.run
    out.print(heading(f"{shown_type(run)} {run.name}"), status_cell(run.status))
    out.print(table(("What", "Value"), _facts(shown)))
    for title, made in (
        ("Attempts", _attempts(run)),
        ("Curves", _curves(shown)),
        ("Last values", _last_values(shown)),
        ("Checkpoints", _checkpoints(shown.checkpoints)),
        ("Events", _events(shown.events)),
    ):
        if made is not None:
            out.print()
            out.print(heading(title))
            out.print(made)
    for text in run.last.warnings if run.last else ():
        out.print(cell(f"Warning: {text}", "yellow"))


def shown_json(shown: Shown) -> dict[str, Any]:
    """Returns all of it as one object."""
    return {
        "run": shown.run,
        "status": shown.run.status,
        "related": [
            {"run_id": r.run_id, "name": r.name, "job_type": r.job_type} for r in shown.related
        ],
        "events": shown.events,
        "checkpoints": shown.checkpoints,
        "last_metrics": {
            name: {"step": step, "value": value} for name, (step, value) in shown.last.items()
        },
        "curves": {
            name: [(point.step, point.value) for point in points]
            for name, points in shown.curves.items()
        },
    }


def _facts(shown: Shown) -> list[tuple[object, object]]:
    run = shown.run
    facts: dict[str, object] = {
        "id": run.run_id,
        "experiment": run.experiment,
        "namespace": run.namespace,
        "task": run.task,
        "model": run.model,
        "data": run.dataset_key,
        "seed": run.seed,
        "started": moment(run.created_at),
        "time": duration(run.took) if run.took else None,
        "cost": money(run.cost) if run.cost else None,
        "result": ", ".join(f"{n} {number(v)}" for n, v in first_metrics(run.metrics)),
        "comes from": ", ".join(r.name for r in shown.related if r.run_id in run.parents),
        "led to": ", ".join(r.name for r in shown.related if run.run_id in r.parents),
        "W&B": run.last.wandb_url if run.last else None,
    }
    return [(name, value) for name, value in facts.items() if value not in (None, "")]


def _attempts(run: Run) -> Any:
    if not run.attempts:
        return None
    rows = [
        (
            a.attempt,
            status_cell(a.status or "unfinished"),
            "–" if a.exit_code is None else a.exit_code,
            number(a.resumed_from_step),
            number(a.global_step),
            moment(a.started_at),
            duration(a.took),
            bytes_text(a.peak_memory.get("rss")),
            a.stop_reason or a.failure.get("message") or "",
        )
        for a in run.attempts
    ]
    header = ("No", "Status", "Exit", "From", "To step", "Started", "Time", "Memory", "What")
    return table(header, rows, right="No Exit From")


def _curves(shown: Shown) -> Any:
    rows = []
    for name, points in shown.curves.items():
        line = sparkline([(p.step, p.value) for p in points], CURVE_WIDTH)
        rows.append((name, line, number(points[0].value), number(points[-1].value)))
    return table(("Metric", "Curve", "First", "Last"), rows, right="First Last") if rows else None


def _last_values(shown: Shown) -> Any:
    rest = {name: found for name, found in shown.last.items() if name not in shown.curves}
    rows = [(name, number(value), number(step)) for name, (step, value) in rest.items()]
    return table(("Metric", "Value", "Step"), rows, right="Value Step") if rows else None


def _checkpoints(found: Sequence[Checkpoint]) -> Any:
    rows = [
        (
            number(c.step),
            "final" if c.is_final else "",
            bytes_text(c.bytes),
            duration(c.seconds),
            c.uri or c.path,
        )
        for c in found
    ]
    return table(("Step", "", "Size", "Saved in", "Path"), rows, right="Step") if rows else None


def _events(found: Sequence[Event]) -> Any:
    rows = [
        (
            moment(e.created_at).removesuffix(" UTC"),
            number(e.step),
            e.kind,
            status_cell(e.level),
            f"{e.name}: {e.message}",
        )
        for e in found
    ]
    return table(("When", "Step", "Kind", "Level", "What"), rows, right="Step") if rows else None
