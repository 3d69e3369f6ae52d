"""Where the runs come from, how they ended, and what was changed from one to the next."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tenyson.manifest.differences import Difference, Kind, differences
from tenyson.manifest.table import shortened
from tenyson.reporting.harmless import Markdown, code, plain
from tenyson.reporting.lineage import is_eval, nearest_parents, shown_type
from tenyson.reporting.records import UNFINISHED, Run
from tenyson.reporting.report.words import count_of, duration, moment, money, number
from tenyson.reporting.tables import first_metrics, markdown_table

SHOWN_DIFFERENCES = 40


def lineage(runs: Sequence[Run], asked: Sequence[str]) -> str:
    """Returns the lineage as a list, each run below the one that it comes from."""
    nearest = nearest_parents(runs)
    below: dict[str | None, list[Run]] = {}
    for run in runs:
        parents = nearest[run.run_id]
        below.setdefault(parents[-1] if parents else None, []).append(run)
    return "\n".join(_branch(below, None, 0, frozenset(asked)))


def runs_table(runs: Sequence[Run]) -> str:
    """Returns one row a run: how it ended, and what came of it."""
    header = ("Run", "Type", "Status", "Attempts", "Steps", "Time", "Cost", "Metrics")
    rows = [
        (
            code(run.name),
            shown_type(run),
            plain(_status(run)),
            len(run.attempts),
            number(None if is_eval(run) else run.steps),
            duration(run.took),
            money(run.cost),
            Markdown(", ".join(f"{code(n)} {number(v)}" for n, v in first_metrics(run.metrics))),
        )
        for run in runs
    ]
    return markdown_table(header, rows)


def warnings(runs: Sequence[Run]) -> str:
    """Returns the warnings and failures of all attempts, each once; empty where there are none."""
    lines: dict[str, None] = {}
    for run in runs:
        for attempt in run.attempts:
            if attempt.failure:
                kind, message = attempt.failure.get("type"), attempt.failure.get("message")
                said = f"attempt {attempt.attempt} failed: {kind}: {message}"
                lines[f"- {code(run.name)}: {plain(said[:500])}"] = None
            lines |= {f"- {code(run.name)}: {plain(text[:500])}": None for text in attempt.warnings}
    return "\n".join(lines)


def configuration(runs: Sequence[Run]) -> str:
    """Returns what was changed from each run to the next of its kind or of the chain."""
    nearest = nearest_parents(runs)
    by_id = {run.run_id: run for run in runs}
    parts = []
    for run in runs:
        if not is_eval(run):
            for parent in nearest[run.run_id]:
                parts += _changes(by_id[parent], run)
    evaluated = [run for run in runs if is_eval(run)]
    for first, other in pairwise(evaluated):
        parts += _changes(first, other)
    return "\n\n".join(parts) or "There is one run only: nothing to compare with."


def configuration_differences(left: Run, right: Run) -> list[Difference]:
    """Returns what two runs disagree on, by their manifests or else their configurations."""
    return differences(_described(left), _described(right))


def _described(run: Run) -> Mapping[str, object]:
    return run.manifest or {"job_type": run.job_type, "recipe": run.task, "config": run.config}


def _branch(
    below: Mapping[str | None, Sequence[Run]], parent: str | None, depth: int, asked: frozenset[str]
) -> list[str]:
    lines = []
    for run in below.get(parent, ()):
        mark = " ← this report" if run.run_id in asked else ""
        identity = f" {code(run.run_id)}" if run.run_id != run.name else ""
        lines.append(
            f"{'  ' * depth}- **{shown_type(run)}** {code(run.name)}{identity}, "
            f"{moment(run.created_at)}, {plain(_status(run))}{mark}"
        )
        lines += _branch(below, run.run_id, depth + 1, asked)
    return lines


def _status(run: Run) -> str:
    if run.status == UNFINISHED:
        return "unfinished (it runs, or was killed)"
    reason = run.last.stop_reason if run.last else None
    return f"{run.status} ({reason})" if reason else run.status


def _changes(left: Run, right: Run) -> list[str]:
    found = configuration_differences(left, right)
    # Where an adapter lies says no more than its hash does.
    found = [d for d in found if d.path != "adapter.path"]
    told = [d for d in found if d.kind in (Kind.JOB, Kind.CONFIG, Kind.DATA, Kind.WEIGHTS)]
    others: dict[str, int] = {}
    for difference in found:
        if difference not in told:
            others[difference.kind.value] = others.get(difference.kind.value, 0) + 1
    title = f"**{code(left.name)} → {code(right.name)}**"
    if not found:
        return [f"{title}: no difference but names, times and places."]
    parts = [title]
    if told:
        rows = [(code(d.path), *_sides(d)) for d in told[:SHOWN_DIFFERENCES]]
        parts.append(markdown_table(("What", plain(left.name), plain(right.name)), rows))
    if len(told) > SHOWN_DIFFERENCES:
        parts.append(f"And {count_of(len(told) - SHOWN_DIFFERENCES, 'more difference')}.")
    if others:
        rest = ", ".join(f"{kind} ({count})" for kind, count in others.items())
        parts.append(f"They differ in {rest}, too.")
    return parts


def _sides(difference: Difference) -> tuple[Markdown, Markdown]:
    left, right = shortened(difference.left, difference.right)
    return code(left), code(right)
