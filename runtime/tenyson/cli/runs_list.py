"""`tenyson runs list`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenyson.cli.terminal import cell, console, status_cell, table, terminal_width
from tenyson.reporting.lineage import is_eval, shown_type
from tenyson.reporting.queries import Filters, curves, list_runs
from tenyson.reporting.records import Run
from tenyson.reporting.report.panels import MAIN
from tenyson.reporting.report.words import duration, moment, money, number
from tenyson.reporting.sparkline import sparkline
from tenyson.reporting.steps import last_steps
from tenyson.reporting.tables import first_metrics

if TYPE_CHECKING:
    from sqlalchemy import Engine

SPARKLINE_WIDTH = 16
COLUMNS = (
    ("Run", 0), ("Type", 0), ("Status", 0), ("Steps", 60), ("Result", 50), ("Curve", 96),
    ("Started", 116), ("Time", 76), ("Experiment", 150), ("Cost", 136), ("Id", 80),
)  # fmt: skip
"""Each with the terminal's width from which on it is shown."""


@dataclass(frozen=True)
class Listed:
    """A run and the curve that stands for it."""

    run: Run
    curve_name: str | None
    curve: Sequence[tuple[float, float]]


def read_list(engine: "Engine", filters: Filters) -> list[Listed]:
    """Returns the runs that match, the newest first."""
    with engine.connect() as connection:
        return [_listed(connection, run) for run in list_runs(connection, filters)]


def print_list(listed: Sequence[Listed]) -> None:
    """Prints a table of the runs."""
    out = console()
    if not listed:
        out.print("No run matches.")
        return
    width = terminal_width()
    shown = [name for name, least in COLUMNS if width >= least]
    if all(entry.run.experiment is None for entry in listed):
        shown = [name for name in shown if name != "Experiment"]
    if all(entry.run.run_id == entry.run.name for entry in listed):
        shown = [name for name in shown if name != "Id"]
    rows = [_row(entry) for entry in listed]
    out.print(table(shown, [[row[name] for name in shown] for row in rows], right="Steps Cost"))


def list_json(listed: Sequence[Listed]) -> list[dict[str, Any]]:
    """Returns one object a run."""
    return [
        {
            "run_id": entry.run.run_id,
            "name": entry.run.name,
            "experiment": entry.run.experiment,
            "job_type": entry.run.job_type,
            "task": entry.run.task,
            "model": entry.run.model,
            "status": entry.run.status,
            "attempts": len(entry.run.attempts),
            "global_step": entry.run.steps,
            "created_at": entry.run.created_at,
            "seconds": entry.run.took,
            "cost": entry.run.cost,
            "metrics": entry.run.metrics,
            "parents": entry.run.parents,
            "curve": {"metric": entry.curve_name, "points": entry.curve},
        }
        for entry in listed
    ]


def _listed(connection: Any, run: Run) -> Listed:
    name = MAIN.get(run.job_type.lower())
    if name is None:
        return Listed(run, None, ())
    found = curves(connection, run.run_id, [name], last_steps(run.attempts)).get(name, ())
    return Listed(run, name, [(point.step, point.value) for point in found])


def _steps(entry: Listed) -> int | None:
    """Steps of the run; of one that goes on, as far as its curve tells."""
    if is_eval(entry.run):
        return None
    logged = round(entry.curve[-1][0]) if entry.curve else None
    return logged if entry.run.steps is None else entry.run.steps


def _row(entry: Listed) -> dict[str, object]:
    run = entry.run
    first = first_metrics(run.metrics, 1)
    name = entry.curve_name or ""
    curve = sparkline(entry.curve, SPARKLINE_WIDTH)
    return {
        "Run": run.name,
        "Type": shown_type(run),
        "Status": status_cell(run.status),
        "Steps": number(_steps(entry)),
        "Result": cell(f"{first[0][0]} {number(first[0][1])}" if first else "–"),
        "Curve": f"{name} {curve}" if curve else "",
        "Started": moment(run.created_at).removesuffix(" UTC"),
        "Time": duration(run.took),
        "Experiment": run.experiment or "–",
        "Cost": money(run.cost),
        "Id": run.run_id,
    }
