"""What a person sees while the jobs run: a table of TenysonJobs, drawn from their status alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

TERMINAL_PHASES = frozenset({"Succeeded", "Failed", "Stopped"})
_STYLES = {
    "Succeeded": "green",
    "Failed": "bold red",
    "Stopped": "red",
    "Running": "cyan",
    "Pending": "dim",
}


@dataclass(frozen=True)
class Row:
    """One TenysonJob as the table shows it."""

    name: str
    type: str
    phase: str
    step: str
    percent: str
    metric: str
    eta: str
    attempt: str
    note: str


def row_of(job: dict[str, Any]) -> Row:
    """Returns the table's row for a TenysonJob as the API serves it."""
    status = job.get("status") or {}
    progress = status.get("progress") or {}
    phase = status.get("phase") or "Pending"
    running = phase not in TERMINAL_PHASES
    return Row(
        name=job["metadata"]["name"],
        type=job["spec"]["type"],
        phase=phase,
        step=_step(progress),
        percent=f"{progress['percent']:.0f} %" if "percent" in progress else "",
        metric=_metric(status),
        eta=_duration(progress.get("etaSeconds")) if running else _run_time(status),
        attempt=str(status.get("attempt", "")) if status.get("attempts") else "",
        note=_note(status) if phase != "Running" or "totalSteps" not in progress else "",
    )


def draw(rows: Sequence[Row], title: str) -> Table:
    """Returns the table for a terminal."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    for heading, justify in _COLUMNS:
        table.add_column(heading, justify=justify, no_wrap=heading != "Note")  # type: ignore[arg-type]
    for row in rows:
        phase = f"[{_STYLES.get(row.phase, 'yellow')}]{row.phase}[/]"
        cells = (row.name, row.type, phase, row.step, row.percent, row.metric, row.eta, row.note)
        table.add_row(*cells)
    return table


def line(row: Row) -> str:
    """Returns the row as one line, for output that is no terminal."""
    parts = [row.step and f"step {row.step}", row.percent, row.metric, row.eta, row.note]
    return f"{row.name:<18} {row.phase:<10} " + "  ".join(part for part in parts if part)


_COLUMNS = (
    ("Job", "left"),
    ("Type", "left"),
    ("Phase", "left"),
    ("Step", "right"),
    ("%", "right"),
    ("Loss / reward", "left"),
    ("ETA / took", "right"),
    ("Note", "left"),
)


def _step(progress: dict[str, Any]) -> str:
    if "step" not in progress:
        return ""
    total = progress.get("totalSteps")
    return f"{progress['step']}/{total}" if total else str(progress["step"])


def _metric(status: dict[str, Any]) -> str:
    """The result's accuracy once there is one, else what the run pushed last."""
    metrics = (status.get("result") or {}).get("metrics") or {}
    if "accuracy" in metrics:
        return f"accuracy {100 * float(metrics['accuracy']):.1f} %"
    metrics = metrics or (status.get("progress") or {}).get("metrics") or {}
    for name in ("reward", "loss", "train_loss"):
        if name in metrics:
            return f"{name.removeprefix('train_')} {float(metrics[name]):.3f}"
    return ""


def _note(status: dict[str, Any]) -> str:
    """The sentence of the condition that explains why the job makes no steps."""
    if status.get("phase") == "Running":
        return "loading libraries, 15 s; the first job also trains the base model, 70 s"
    wanted = ("Failed", "Stalled", "Suspended", "Accepted", "Reconciling")
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    for kind in wanted:
        condition = conditions.get(kind)
        if condition and (condition["status"] == "False") == (kind == "Accepted"):
            message: str = condition.get("message", "")
            return message if len(message) <= 90 else message[:89] + "…"
    return ""


def _run_time(status: dict[str, Any]) -> str:
    seconds = (status.get("result") or {}).get("totalTimeSeconds")
    return _duration(seconds)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
