"""All that a report tells, read from the database in one go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from tenyson.contract import ExitCode, JobType
from tenyson.errors import TenysonError
from tenyson.near_names import near_names
from tenyson.reporting import queries
from tenyson.reporting.lineage import in_order, is_eval
from tenyson.reporting.records import Answer, Component, Event, Group, Point, Run
from tenyson.reporting.report.panels import WANTED, reward_metrics
from tenyson.reporting.scored_models import ScoredModel, ScoredSet, scored_sets
from tenyson.reporting.steps import last_steps

SHOWN_GROUPS = 3
"""Best, worst and of no variance, of each RL run."""
SHOWN_ANSWERS = 3
"""Most gained and most lost, of each comparison."""


class UnknownMetricError(TenysonError, LookupError):
    """Raised when no models of the lineage share the metric that they are to be compared by."""

    exit_code = ExitCode.CONFIG


@dataclass(frozen=True)
class TrainingFacts:
    """What a run logged while it trained."""

    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    last: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Metric to the step of its last value, and the value."""
    components: Sequence[Component] = ()
    best: Sequence[Group] = ()
    worst: Sequence[Group] = ()
    zero_variance: Sequence[Group] = ()
    """None of which is among the best or the worst."""


@dataclass(frozen=True)
class Changed:
    """A prompt that the last model answers better or worse than the first one."""

    row_id: str
    before: float
    after: float
    answer_before: Answer | None
    answer_after: Answer | None


@dataclass(frozen=True)
class ReportFacts:
    """A lineage and all that is known of it."""

    asked: Sequence[str]
    """Ids of the runs that the report was asked for."""
    runs: Sequence[Run]
    """In the order of the chain, evaluations among them."""
    training: Mapping[str, TrainingFacts] = field(default_factory=dict)
    """By run, of those that train."""
    scored: Sequence[ScoredSet] = ()
    metric: str | None = None
    """What models are compared by; None takes the first that they share."""
    gains: Sequence[Changed] = ()
    losses: Sequence[Changed] = ()
    events: Sequence[Event] = ()
    event_counts: Mapping[tuple[str, str], int] = field(default_factory=dict)


def read_facts(
    connection: Connection, run_ids: Sequence[str], *, metric: str | None = None
) -> ReportFacts:
    """Returns what the database tells of these runs and of those that belong to them.

    Args:
        connection: To the database.
        run_ids: Runs that it knows.
        metric: What models are compared by; None takes the first that they share.

    Raises:
        UnknownMetricError: They share some, and not this one.
    """
    found = queries.runs_by_id(connection, queries.lineage(connection, run_ids))
    runs = in_order(list(found.values()))
    scores = [s for r in runs if is_eval(r) for s in queries.model_scores(connection, r.run_id)]
    sets = scored_sets(runs, scores)
    if metric is not None:
        _require_shared(metric, sets)
    runs = _without_unrelated(runs, run_ids, sets)
    ids = [run.run_id for run in runs]
    gains, losses = _changed(connection, sets, metric)
    return ReportFacts(
        asked=run_ids,
        runs=runs,
        training={run.run_id: _training(connection, run) for run in runs if not is_eval(run)},
        scored=sets,
        metric=metric,
        gains=gains,
        losses=losses,
        events=queries.told_events(connection, ids),
        event_counts=queries.event_counts(connection, ids),
    )


def _require_shared(metric: str, sets: Sequence[ScoredSet]) -> None:
    known = list(dict.fromkeys(name for scored in sets for name in scored.metrics))
    if known and metric not in known:
        raise UnknownMetricError(
            f"The evaluations share no metric {metric!r}. {near_names(metric, known)}".strip(),
            hint=f"--metric takes one of: {', '.join(known)}.",
        )


def _without_unrelated(
    runs: Sequence[Run], asked: Sequence[str], sets: Sequence[ScoredSet]
) -> list[Run]:
    """Leaves out evaluations of the base model whose prompts are none of the lineage's."""
    compared = {model.found.run_id for s in sets for model in s.models}
    return [
        run
        for run in runs
        if run.parents or run.run_id in asked or run.run_id in compared or not is_eval(run)
    ]


def _training(connection: Connection, run: Run) -> TrainingFacts:
    limits = last_steps(run.attempts)
    last = queries.last_values(connection, run.run_id, limits)
    names = [*WANTED, *reward_metrics(last)]
    curves = queries.curves(connection, run.run_id, names, limits)
    if run.job_type.lower() != JobType.RL.value:
        return TrainingFacts(curves, last)
    best, worst = (
        queries.groups(connection, run.run_id, which, limits, limit=SHOWN_GROUPS)
        for which in ("best", "worst")
    )
    shown = {group.rollout_id for group in (*best, *worst)}
    flat = queries.groups(connection, run.run_id, "zero_variance", limits, limit=3 * SHOWN_GROUPS)
    return TrainingFacts(
        curves,
        last,
        queries.components(connection, run.run_id, limits),
        best,
        worst,
        [group for group in flat if group.rollout_id not in shown][:SHOWN_GROUPS],
    )


def _changed(
    connection: Connection, sets: Sequence[ScoredSet], metric: str | None
) -> tuple[list[Changed], list[Changed]]:
    """The prompts on which the last model of the first set gained and lost most."""
    if not sets or len(sets[0].models) < 2 or not sets[0].metrics:
        return [], []
    first, last = sets[0].models[0], sets[0].models[-1]
    metric = metric if metric in sets[0].metrics else sets[0].metrics[0]
    before, after = first.found.scores[metric], last.found.scores[metric]
    sign = -1 if metric in sets[0].lower_is_better else 1
    gain = {row_id: sign * (after[row_id] - before[row_id]) for row_id in before}
    by_change = sorted(before, key=lambda row_id: (-gain[row_id], row_id))
    gained = [i for i in by_change if gain[i] > 0][:SHOWN_ANSWERS]
    lost = [i for i in reversed(by_change) if gain[i] < 0][:SHOWN_ANSWERS]
    answered = [_answers(connection, model, [*gained, *lost]) for model in (first, last)]
    gains, losses = (
        [Changed(i, before[i], after[i], answered[0].get(i), answered[1].get(i)) for i in row_ids]
        for row_ids in (gained, lost)
    )
    return gains, losses


def _answers(
    connection: Connection, model: ScoredModel, row_ids: Sequence[str]
) -> Mapping[str, Answer]:
    if not row_ids:
        return {}
    return queries.answers(connection, model.found.run_id, model.found.label, row_ids)
