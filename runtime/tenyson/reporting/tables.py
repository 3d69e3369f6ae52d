"""Markdown tables, of JobResults above all."""

from collections.abc import Mapping, Sequence

from tenyson.jobs.result import JobResult

SHOWN_METRICS = 4
"""Of a job, in the table of all jobs."""
FIRST_METRICS = ("accuracy", "reward", "eval_loss", "loss", "kl", "entropy")
"""Shown before others, in this order."""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table; columns of which every cell begins with a digit or a sign go right."""
    cells = [[as_cell(str(value)) for value in row] for row in rows]
    rules = [
        "---:" if cells and all(_is_numeric(row[column]) for row in cells) else "---"
        for column in range(len(header))
    ]
    lines = [list(map(as_cell, header)), rules, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_cell(text: str) -> str:
    """Returns text that breaks neither the table nor the page."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


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
    first = [name for name in FIRST_METRICS if name in result.metrics]
    names = list(dict.fromkeys([*first, *result.metrics]))[:SHOWN_METRICS]
    metrics = ", ".join(f"{name} {result.metrics[name]:.4g}" for name in names)
    return (
        name,
        result.job_type or "",
        status,
        f"{result.global_step:,}",
        f"{result.total_time_seconds:.1f} s",
        metrics or "none",
    )


def _is_numeric(cell: str) -> bool:
    return cell[:1].isdigit() or (cell[:1] in "+−-" and cell[1:2].isdigit())
