"""Scores of evaluations prompt by prompt, and the texts of chosen answers."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select

from tenyson.manifest import LOWER_IS_BETTER
from tenyson.reporting.records import Answer, ModelScores
from tenyson.telemetry.tables import TABLES

_SAMPLES, _GENERATIONS = TABLES["eval_samples"], TABLES["generations"]
_RUNS = TABLES["runs"]


def model_scores(connection: Connection, run_id: str) -> list[ModelScores]:
    """Returns what an evaluation says of each of its models, the main one first.

    An attempt that went on counts for the rows that it answered, an earlier one for the others.
    """
    c = _SAMPLES.c
    query = (
        select(c.model, c.row_id, c.sample_index, c.prompt_hash, c.scores)
        .where(c.run_id == run_id)
        .order_by(c.attempt, c.step, c.row_id, c.sample_index)
    )
    newest: dict[str, dict[tuple[str, int], Any]] = defaultdict(dict)
    for row in connection.execute(query):
        newest[row.model or ""][row.row_id, row.sample_index] = row
    lower = _lower_is_better(connection, run_id)
    return [
        replace(_scores(run_id, label, list(newest[label].values())), lower_is_better=lower)
        for label in sorted(newest)
    ]


def answers(
    connection: Connection, run_id: str, label: str, row_ids: Sequence[str]
) -> Mapping[str, Answer]:
    """Returns the first answers of a model to these prompts, by row id."""
    c = _SAMPLES.c
    query = (
        select(c.row_id, c.prompt, c.expected_answer, _GENERATIONS.c.completion)
        .join_from(_SAMPLES, _GENERATIONS, _GENERATIONS.c.id == c.generation_id)
        .where(
            c.run_id == run_id,
            c.row_id.in_(row_ids),
            func.coalesce(c.model, "") == label,
            c.sample_index == 0,
        )
        .order_by(c.attempt)
    )
    return {
        row.row_id: Answer(row.row_id, row.prompt, row.expected_answer, row.completion or "")
        for row in connection.execute(query)
    }


def _lower_is_better(connection: Connection, run_id: str) -> frozenset[str]:
    """What the task named when it was run; a run of before that was asked named nothing."""
    manifest = connection.scalar(select(_RUNS.c.manifest).where(_RUNS.c.run_id == run_id))
    return frozenset((manifest or {}).get(LOWER_IS_BETTER) or ())


def _scores(run_id: str, label: str, rows: Sequence[Any]) -> ModelScores:
    by_row: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    for row in rows:
        by_row[row.row_id].append(_numbers(row.scores or {}))
    everywhere = [set.intersection(*map(set, samples)) for samples in by_row.values()]
    shared = set.intersection(*everywhere)
    names = [name for name in next(iter(by_row.values()))[0] if name in shared]
    return ModelScores(
        run_id,
        label,
        scores={
            name: {
                row_id: math.fsum(s[name] for s in samples) / len(samples)
                for row_id, samples in by_row.items()
            }
            for name in names
        },
        prompts={row.row_id: row.prompt_hash or "" for row in rows},
        samples=max(map(len, by_row.values())),
    )


def _numbers(scores: Mapping[str, Any]) -> Mapping[str, float]:
    """The finite numbers; true and false count as 1 and 0."""
    return {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
