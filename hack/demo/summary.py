"""The demo's last page: each JobResult, the telemetry's row counts, and what may be concluded."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, func, inspect, select, table

from tenyson.telemetry.urls import parse_url

TELEMETRY_TABLES = (
    *("runs", "attempts", "events", "checkpoints", "sft_metrics", "epoch_metrics", "rollouts"),
    *("generations", "reward_components", "eval_samples"),
)


def print_results(console: Console, jobs: Sequence[Mapping[str, Any]]) -> None:
    """Prints each job's JobResult as its status holds it, one field a line."""
    for job in jobs:
        status = job.get("status") or {}
        console.rule(f"{job['metadata']['name']}  ({status.get('phase', 'Pending')})", align="left")
        result = status.get("result")
        if result is None:
            console.print(_why_not(status), highlight=False)
            continue
        for name, value in result.items():
            shown = _files(value) if name == "artifacts" else _shown(value)
            console.print(f"  {name}: {shown}", highlight=False, soft_wrap=True, markup=False)


def count_rows(database_url: str) -> dict[str, int]:
    """Returns the rows of each telemetry table; a table that is not there yet has none."""
    engine = create_engine(parse_url(database_url))
    try:
        with engine.connect() as connection:
            present = set(inspect(connection).get_table_names())
            return {
                name: connection.scalar(select(func.count()).select_from(table(name))) or 0
                if name in present
                else 0
                for name in TELEMETRY_TABLES
            }
    finally:
        engine.dispose()


def print_rows(console: Console, counts: Mapping[str, int]) -> None:
    """Prints the row counts as a table."""
    shown = Table(title="Telemetry", title_justify="left", title_style="bold")
    shown.add_column("Table")
    shown.add_column("Rows", justify="right")
    for name, count in counts.items():
        shown.add_row(name, f"{count:,}")
    console.print(shown)


def _why_not(status: Mapping[str, Any]) -> str:
    said = [
        f"  {c['type']}={c['status']} {c.get('reason', '')}: {c.get('message', '')}"
        for c in status.get("conditions") or []
        if c["type"] in {"Accepted", "Failed", "Stalled"}
    ]
    return "\n".join(said) or "  no result"


def _files(artifacts: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"{a['path']} ({a['bytes'] / 1000:.0f} kB, sha256 {(a.get('sha256') or '')[:12]}…)"
        for a in artifacts
    )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_shown(v)}" for k, v in value.items()) or "none"
    return json.dumps(value) if isinstance(value, list) else str(value)
