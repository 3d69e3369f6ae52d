"""`tenyson runs compare`: two runs, what they were given and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenyson.cli.terminal import cell, console, heading, table
from tenyson.evaluation.changes import Change
from tenyson.evaluation.completions import SAMPLED
from tenyson.manifest.differences import Difference
from tenyson.manifest.outcome import metric_rows
from tenyson.manifest.table import shortened
from tenyson.reporting import queries
from tenyson.reporting.beside_training import beside_training
from tenyson.reporting.delta_markdown import verdict_text
from tenyson.reporting.lineage import is_eval, nearest_parents, shown_type, stage_names
from tenyson.reporting.records import ModelScores, Point, Run
from tenyson.reporting.report.chain import configuration_differences
from tenyson.reporting.report.panels import WANTED, reward_metrics
from tenyson.reporting.report.words import number
from tenyson.reporting.scored_models import ScoredModel, ScoredSet, split_label, which_model
from tenyson.reporting.sparkline import sparkline
from tenyson.reporting.steps import last_steps

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

CURVE_WIDTH = 30


@dataclass(frozen=True)
class Compared:
    """Two runs beside each other."""

    left: Run
    right: Run
    differences: Sequence[Difference]
    curves: Mapping[str, tuple[Sequence[Point], Sequence[Point]]]
    """Metrics that both have logged."""
    paired: Mapping[str, Change]
    """What the evaluations of A and B say on the prompts that they share, by metric."""
    beside_training: Sequence[str]
    """What these evaluations were not given alike."""
    without_pairs: str
    """Why nothing could be paired; empty where something was."""


def read_compared(engine: "Engine", left: str, right: str) -> Compared:
    """Returns both runs and what they do not share.

    Raises:
        RunNotFoundError: The database knows no such run, or several.
    """
    with engine.connect() as connection:
        ids = [queries.find_run(connection, given) for given in (left, right)]
        found = queries.runs_by_id(connection, ids)
        one, other = (found[run_id] for run_id in ids)
        scores = [_scores(connection, run) for run in (one, other)]
        pair = _pair(*scores)
        return Compared(
            one,
            other,
            configuration_differences(one, other),
            _shared_curves(connection, one, other),
            pair.changes(pair.metrics) if pair else {},
            _beside_training(connection, pair) if pair else (),
            "" if pair else _why_not(*scores),
        )


def print_compared(compared: Compared) -> None:
    """Prints what the runs do not share, and the paired test."""
    out, left, right = console(), compared.left, compared.right
    for letter, run in (("A", left), ("B", right)):
        identity = f" ({run.run_id})" if run.run_id != run.name else ""
        out.print(heading(f"{letter}  {shown_type(run)} {run.name}{identity}, {run.status}"))
    out.print()
    out.print(heading("Verdict"))
    if compared.beside_training:
        said = "; ".join(compared.beside_training)
        out.print(cell(f"Not the same beside the training: {said}"))
    for metric, change in compared.paired.items():
        out.print(cell(verdict_text(f"B against A, {metric}", change).replace("**", "")))
    if compared.without_pairs:
        out.print(cell(compared.without_pairs))
    rows: list[Sequence[object]] = []
    for difference in compared.differences:
        rows.append((difference.kind, difference.path,
                     *shortened(difference.left, difference.right)))  # fmt: skip
    _section("What differs", ("Kind", "Field", "A", "B"), rows)
    _section(
        "Metrics", ("Metric", "A", "B", "B - A"),
        metric_rows(left.metrics, right.metrics, everything=True), right="A B",
    )  # fmt: skip
    rows = [
        (name, *(text for points in pair for text in (_line(points), number(points[-1].value))))
        for name, pair in compared.curves.items()
    ]
    _section("Curves", ("Metric", "A", "last", "B", "last "), rows)


def compared_json(compared: Compared) -> dict[str, Any]:
    """Returns all of it as one object."""
    return {
        "left": {"run_id": compared.left.run_id, "name": compared.left.name},
        "right": {"run_id": compared.right.run_id, "name": compared.right.name},
        "differences": [
            {"kind": d.kind.value, "path": d.path, "left": d.left, "right": d.right}
            for d in compared.differences
        ],
        "metrics": {
            name: [compared.left.metrics.get(name), compared.right.metrics.get(name)]
            for name in {**compared.left.metrics, **compared.right.metrics}
        },
        "curves": {
            name: [[(p.step, p.value) for p in points] for points in pair]
            for name, pair in compared.curves.items()
        },
        "paired": [
            {
                "metric": metric,
                "verdict": change.verdict,
                "prompts": change.difference.n,
                "change": change,
            }
            for metric, change in compared.paired.items()
        ],
        "beside_training": list(compared.beside_training),
        "without_pairs": compared.without_pairs or None,
    }


def _section(
    title: str, header: Sequence[str], rows: Sequence[Sequence[object]], *, right: str = ""
) -> None:
    if rows:
        out = console()
        out.print()
        out.print(heading(title))
        out.print(table(header, rows, right=right))


def _line(points: Sequence[Point]) -> str:
    return sparkline([(point.step, point.value) for point in points], CURVE_WIDTH)


def _scores(connection: "Connection", run: Run) -> list[ModelScores]:
    """An evaluation's own scores; of a training run those of its adapter, whatever its label."""
    if is_eval(run):
        return queries.model_scores(connection, run.run_id)
    related = list(
        queries.runs_by_id(connection, queries.lineage(connection, [run.run_id])).values()
    )
    nearest, own_name = nearest_parents(related), stage_names(related)[run.run_id]
    own = [r for r in related if is_eval(r) and run.run_id in nearest[r.run_id]]
    found = []
    for evaluation in sorted(own, key=lambda r: r.created_at, reverse=True):
        for scores in queries.model_scores(connection, evaluation.run_id):
            label, sampled = split_label(scores.label)
            if which_model(related, evaluation, label)[0] == own_name:
                found.append(replace(scores, label=SAMPLED if sampled else ""))
    return found


def _pair(left: Sequence[ModelScores], right: Sequence[ModelScores]) -> ScoredSet | None:
    """The first models of one label that answered the same prompts."""
    for one in left:
        for other in right:
            sampled = split_label(one.label)[1]
            shared = ScoredSet([ScoredModel("A", 0, one), ScoredModel("B", 1, other)], sampled)
            is_pair = one.label == other.label and one.prompts == other.prompts
            if is_pair and shared.metrics:
                return shared
    return None


def _beside_training(connection: "Connection", pair: ScoredSet) -> list[str]:
    found = queries.runs_by_id(connection, [model.found.run_id for model in pair.models])
    parents = [parent for run in found.values() for parent in run.parents]
    return beside_training(pair, {**queries.runs_by_id(connection, parents), **found})


def _why_not(left: Sequence[ModelScores], right: Sequence[ModelScores]) -> str:
    if not left or not right:
        who = "Neither run has" if not left and not right else f"Run {'B' if left else 'A'} lacks"
        return f"{who} evaluations with per-prompt scores: nothing may be concluded."
    if not {scores.label for scores in left} & {scores.label for scores in right}:
        return "Their evaluations have no model of one label: nothing may be concluded."
    return "Their evaluations asked different prompts: nothing may be concluded."


def _shared_curves(
    connection: "Connection", left: Run, right: Run
) -> dict[str, tuple[Sequence[Point], Sequence[Point]]]:
    found = []
    for run in (left, right):
        limits = last_steps(run.attempts)
        names = reward_metrics(queries.last_values(connection, run.run_id, limits))
        found.append(queries.curves(connection, run.run_id, [*WANTED, *names], limits))
    return {name: (found[0][name], found[1][name]) for name in found[0] if name in found[1]}
