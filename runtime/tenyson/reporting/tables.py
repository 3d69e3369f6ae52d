"""Markdown tables, of JobResults above all."""

import re
from collections.abc import Mapping, Sequence

from tenyson.jobs.result import JobResult
from tenyson.reporting.harmless import Markdown, plain

SHOWN_METRICS = 4
"""Of a job, in the table of all jobs."""
FIRST_METRICS = ("accuracy", "reward", "eval_loss", "loss", "kl", "entropy")
"""Shown in this order; others where a job has none of these."""
_BARE_PIPE = re.compile(r"(?<!\\)\|")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table; columns of which every cell begins with a digit or a sign go right."""
    cells = [[as_cell(value) for value in row] for row in rows]
    rules = [
        "---:" if cells and all(_is_numeric(row[column]) for row in cells) else "---"
        for column in range(len(header))
    ]
    lines = [list(map(as_cell, header)), rules, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_cell(value: object) -> str:
    """Returns what breaks neither the table nor the page: Markdown as it is, else its letters."""
    if isinstance(value, Markdown):
        return _BARE_PIPE.sub(r"\\|", " ".join(value.split()))
    return plain(value)


def first_metrics(
    metrics: Mapping[str, float], limit: int = SHOWN_METRICS
) -> list[tuple[str, float]]:
    """Returns the metrics that say most of a job, with their values; else those that it has."""
    first = [name for name in FIRST_METRICS if name in metrics] or list(metrics)
    return [(name, metrics[name]) for name in first[:limit]]


def results_table(results: Mapping[str, JobResult]) -> str:
    """Returns one row a job: how it ended, how long it took, its main metrics."""
    header = ("Job", "Type", "Status", "Steps", "Time", "Metrics")
    return markdown_table(header, [_result_row(name, r) for name, r in results.items()])


def metrics_table(results: Mapping[str, JobResult]) -> str:
    """Returns one row a metric and one column a result, for jobs of one kind."""
    names = dict.fromkeys(name for result in results.values() for name in result.metrics)
    rows = [
        (name, *(_metric(result.metrics.get(name)) for result in results.values()))
        for name in names
    ]
    return markdown_table(("Metric", *results), rows)


def _metric(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _result_row(name: str, result: JobResult) -> tuple[str, ...]:
    status = result.status
    if result.failure is not None:
        status = f"{status}: {result.failure.type}: {result.failure.message[:200]}"
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in first_metrics(result.metrics))
    return (
        name,
        result.job_type or "",
        status,
        "" if result.global_step is None else f"{result.global_step:,}",
        f"{result.total_time_seconds:.1f} s",
        metrics or "none",
    )


def _is_numeric(cell: str) -> bool:
    return cell[:1].isdigit() or (cell[:1] in "+−-" and cell[1:2].isdigit())
