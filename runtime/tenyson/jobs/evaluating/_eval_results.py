"""What an evaluation leaves: the task's metrics with their intervals, a row for every prompt."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenyson.contract import File
from tenyson.errors import TaskError
from tenyson.evaluation.completions import Completion
from tenyson.evaluation.intervals import (
    Details,
    binary_names,
    metric_intervals,
    number_names,
    pass_metrics,
    without_own_columns,
)
from tenyson.evaluation.statistics import Estimate
from tenyson.files import sha256_of_file
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import call_hook
from tenyson.manifest import without_secrets
from tenyson.numbers import is_number
from tenyson.telemetry import EvalSample
from tenyson.telemetry.rows import as_text

Rows = Sequence[dict[str, Any]]
Detail = Mapping[str, Any]


@dataclass(frozen=True)
class AnswerSet:
    """The completions that one set of metrics is of: a model's, greedy or sampled."""

    label: str
    """Empty for the main one."""
    facts: Mapping[str, Any]
    """What it is, for its file: the adapter's hash, how it was drawn."""
    completions: list[list[Completion]]
    """By row."""
    is_sampled: bool
    """Whether pass@k can be told from it."""


@dataclass(frozen=True)
class Scored:
    """What the task says about an answer set."""

    answers: AnswerSet
    metrics: dict[str, Any]
    details: list[list[Detail]] | None
    """By row and completion; None where the task tells of none."""
    scores: Details | None
    """The same without what only repeats the row: what models can be compared by."""
    intervals: dict[str, Estimate]


def score(context: RunContext, tokenizer: Any, rows: Rows, answers: AnswerSet) -> Scored:
    """Returns the task's metrics, pass@k among them, and their intervals.

    Raises:
        TaskError: The task's metrics are none, or lack the number that pass@k is wanted of.
    """
    metrics, flat = _task_metrics(context, tokenizer, rows, answers.completions)
    if flat is None:
        _warn_without_details(context)
        return Scored(answers, metrics, None, None, {})
    details = _by_row(flat, answers.completions)
    scores = without_own_columns(details, rows)
    intervals = metric_intervals(metrics, scores)
    if answers.is_sampled:
        at_k = pass_metrics(scores, context.config.evaluation.pass_at, _counted(context, scores))
        metrics |= {name: estimate.value for name, estimate in at_k.items()}
        intervals |= {name: found for name, found in at_k.items() if found.low is not None}
    return Scored(answers, metrics, details, scores, intervals)


def lower_is_better(context: RunContext) -> list[str]:
    """Returns the numbers of which less is better, as the task names them.

    Raises:
        TaskError: It names something else.
    """
    told = call_hook(context, "get_lower_is_better", context.plain_config) or ()
    is_names = isinstance(told, Collection) and not isinstance(told, str | bytes | Mapping)
    if not is_names or not all(isinstance(name, str) for name in told):
        raise TaskError(
            f"get_lower_is_better returned {told!r}; expected a list of the names of numbers."
        )
    return sorted(told)


def write_results(context: RunContext, rows: Rows, ids: Sequence[Any], scored: Scored) -> None:
    """Writes an answer set's file, and adds its numbers to the result under its label."""
    result, answers = context.result, scored.answers
    name = File.NAMED_RESULTS.format(name=answers.label.replace("/", "-"))
    name = name if answers.label else File.RESULTS
    content = {
        "run_id": result.run_id,
        "metrics": scored.metrics,
        "intervals": {metric: vars(estimate) for metric, estimate in scored.intervals.items()},
        "config": without_secrets(context.plain_config),
        "model": context.config.model.name,
        **answers.facts,
        "detailed_results": _detailed_results(rows, ids, scored),
    }
    context.fence.write(name, json.dumps(content, indent=1, default=_plain) + "\n")
    path = context.output_dir / name
    numbers = {n: float(v) for n, v in scored.metrics.items() if is_number(v)}
    for metric in sorted(scored.metrics.keys() - numbers.keys()):
        context.warn(f"The metric {metric} is no finite number and stands in {name} only.")
    if not numbers:
        raise TaskError("compute_metrics returned no metric that is a number.")
    prefix = f"{answers.label}/" if answers.label else ""
    result.metrics |= {prefix + metric: value for metric, value in numbers.items()}
    result.metrics_ci |= {
        prefix + metric: [estimate.low, estimate.high]
        for metric, estimate in scored.intervals.items()
        if estimate.low is not None and estimate.high is not None
    }
    result.artifacts.append(
        {
            "kind": "results",
            "path": name,
            "bytes": path.stat().st_size,
            "sha256": sha256_of_file(path),
        }
    )


def telemetry_samples(rows: Rows, ids: Sequence[Any], scored: Scored) -> list[EvalSample]:
    """Returns one telemetry sample a completion."""
    return [
        EvalSample(
            row_id=str(row_id),
            model=scored.answers.label,
            prompt=row["prompt"],
            completion=completion.text,
            sample_index=sample,
            scores=dict(scored.scores[place][sample]) if scored.scores else {},
            tokens=completion.tokens,
            truncated=completion.is_truncated,
            expected_answer=_expected_of(row),
            latency_seconds=completion.latency_seconds,
        )
        for place, (row, row_id) in enumerate(zip(rows, ids, strict=True))
        for sample, completion in enumerate(scored.answers.completions[place])
    ]


def _expected_of(row: Mapping[str, Any]) -> str | None:
    """Returns what the data set has for the right answer, by the name that evalsets give it."""
    expected = row.get("expected_answer")
    return None if expected is None else as_text(expected)


def _task_metrics(
    context: RunContext, tokenizer: Any, rows: Rows, completions: list[list[Completion]]
) -> tuple[dict[str, Any], list[Detail] | None]:
    """Returns the metrics, and the details in the completions' order where there are any."""
    flat = [(row, c.text) for row, drawn in zip(rows, completions, strict=True) for c in drawn]
    scored = call_hook(
        context,
        "compute_metrics",
        [row["prompt"] for row, _ in flat],
        [text for _, text in flat],
        [row for row, _ in flat],
        context.plain_config,
        tokenizer,
    )
    if not isinstance(scored, Mapping):
        raise TaskError(f"compute_metrics returned {type(scored).__name__}; expected a dict.")
    details = scored.get("detailed_results")
    if details is not None and not _are_details(details):
        raise TaskError(
            "compute_metrics returned detailed_results that are no list of dicts.",
            hint="Return one dict a completion, in the completions' order, or leave it out.",
        )
    if details is not None and len(details) != len(flat):
        raise TaskError(
            f"compute_metrics returned {len(details)} detailed_results for {len(flat)} completions."
        )
    metrics = scored.get("metrics")
    if not isinstance(metrics, Mapping):
        metrics = {k: v for k, v in scored.items() if k != "detailed_results"}
    return dict(metrics), None if details is None else list(details)


def _are_details(details: Any) -> bool:
    return (
        isinstance(details, Sequence)
        and not isinstance(details, str | bytes)
        and all(isinstance(detail, Mapping) for detail in details)
    )


def _counted(context: RunContext, details: Details) -> list[str]:
    """Returns the numbers that pass@k is estimated of."""
    settings = context.config.evaluation
    binary = binary_names(details)
    if not settings.pass_at:
        return []
    if settings.pass_metric is None and binary:
        return binary
    if settings.pass_metric in binary:
        return [settings.pass_metric]
    wanted = f" {settings.pass_metric!r}" if settings.pass_metric else ""
    raise TaskError(
        f"pass@k needs a number{wanted} that is 0 or 1 for each completion in compute_metrics' "
        f"detailed_results. Such numbers there: {', '.join(binary) or 'none'}; other numbers: "
        f"{', '.join(sorted(set(number_names(details)) - set(binary))) or 'none'}.",
        hint="Set evaluation.pass_metric to one of them, or let the task tell of one.",
    )


def _warn_without_details(context: RunContext) -> None:
    context.warn(
        "compute_metrics gave no detailed_results; without per-row numbers two models cannot "
        "be compared by a paired test."
    )
    if context.config.evaluation.pass_at:
        raise TaskError(
            "evaluation.pass_at is set, and compute_metrics gave no detailed_results.",
            hint="Return one dict a completion with a number that is 1 where it is right.",
        )


def _by_row(flat: list[Detail], completions: list[list[Completion]]) -> list[list[Detail]]:
    remaining = iter(flat)
    return [[next(remaining) for _ in drawn] for drawn in completions]


def _detailed_results(rows: Rows, ids: Sequence[Any], scored: Scored) -> list[dict[str, Any]]:
    """Returns one entry a row: what was asked, what was answered, what the task says about it."""
    results = []
    for place, (row_id, row) in enumerate(zip(ids, rows, strict=True)):
        drawn = scored.answers.completions[place]
        own = scored.details[place] if scored.details else []
        entry = {"id": row_id, "prompt": row["prompt"]}
        if len(drawn) == 1:
            answer: dict[str, Any] = {"completion": drawn[0].text}
            merged = dict(own[0]) if own else {}
        else:
            answer = {"completions": [c.text for c in drawn], "samples": [dict(d) for d in own]}
            merged = _means(own)
        counts = {
            "completion_tokens": sum(c.tokens for c in drawn),
            "truncated": sum(c.is_truncated for c in drawn),
        }
        results.append({**entry, **answer, **counts, **merged, **entry})
    return results


def _means(details: Sequence[Detail]) -> dict[str, float]:
    """Returns the mean over a row's samples of each number that every sample has."""
    return {
        name: sum(float(d[name]) for d in details) / len(details)
        for name in number_names([details])
    }


def _plain(value: Any) -> Any:
    """What JSON makes of a value that it does not know: a number where it is one, else text."""
    return float(value) if is_number(value) else str(value)
