"""Eval: a model or an adapter answers the task's prompts, and the task scores the answers."""

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import torch
from datasets import Dataset

from tenyson.contract import File, JobType
from tenyson.errors import TaskError
from tenyson.evaluation.generate import Completion, Sampling, generate
from tenyson.files import sha256_of_file
from tenyson.jobs._data import call_hook, dataset_of, facts_of, require_columns
from tenyson.jobs._description import describe_run
from tenyson.jobs._libraries import quiet
from tenyson.jobs._models import (
    Adapter,
    load_model,
    load_tokenizer,
    locate_adapter,
    locate_model,
    put_adapter,
)
from tenyson.jobs._numbers import is_number
from tenyson.jobs._recording import recording
from tenyson.jobs.context import RunContext
from tenyson.manifest import without_secrets
from tenyson.progress import Progress, StepClock
from tenyson.seeding import seed_everything
from tenyson.telemetry import EvalSample


def evaluate(context: RunContext) -> None:
    """Evaluates on the task's prompts; `context.result` holds the outcome."""
    quiet()
    context.options.stop.check()  # the libraries' import takes long
    seed_everything(context.config.evaluation.seed)
    prompts = _prompts(context)
    rows = prompts.to_list()
    ids = _row_ids(rows)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    context.options.stop.check()
    model, adapter = _model(context, source)
    context.options.stop.check()
    describe_run(context, model, source, {"eval": facts_of(prompts)}, adapter)
    with recording(context) as telemetry:
        completions = _generate(context, model, tokenizer, rows)
        scored = _score(context, tokenizer, rows, completions)
        details = scored.get("detailed_results")
        telemetry.record_eval_samples(_samples(rows, completions, details, ids))
    detailed = _detailed_results(rows, completions, details, ids)
    if details is None:
        context.warn(
            "compute_metrics gave no detailed_results; without per-row numbers two models cannot "
            "be compared by a paired test."
        )
    _write_results(context, scored["metrics"], detailed)


def _prompts(context: RunContext) -> Dataset:
    prompts = dataset_of(context, "get_eval_dataset", context.plain_config)
    require_columns(prompts, "get_eval_dataset", ("prompt",))
    limit = context.config.evaluation.max_prompts
    return prompts if limit is None else prompts.select(range(min(limit, len(prompts))))


def _model(context: RunContext, source: str) -> tuple[Any, Adapter | None]:
    adapter = locate_adapter(context)
    model = load_model(context.config, source, JobType.EVAL)
    if adapter is not None:
        model = put_adapter(model, adapter, is_trainable=False)
        context.result.adapter_sha256 = adapter.sha256
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), adapter


def _generate(
    context: RunContext, model: Any, tokenizer: Any, rows: list[dict[str, Any]]
) -> list[list[Completion]]:
    settings = context.config.evaluation
    reporter = context.reporter
    clock = StepClock(0, len(rows))

    def on_batch(done: int) -> None:
        reporter.update(Progress(done, len(rows), {}, clock.remaining_seconds(done)))
        context.result.global_step = done
        if done < len(rows):
            context.options.stop.check()

    with closing(reporter.line):
        reporter.update(Progress(0, len(rows)))
        return generate(
            model,
            tokenizer,
            [row["prompt"] for row in rows],
            Sampling(
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
                top_p=settings.top_p,
                top_k=settings.top_k,
                num_samples=settings.num_samples,
                seed=settings.seed,
            ),
            batch_size=settings.batch_size,
            on_batch=on_batch,
        )


def _score(
    context: RunContext,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    completions: list[list[Completion]],
) -> dict[str, Any]:
    """Returns the task's metrics, with its per-completion details where it gives any."""
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
    if not isinstance(scored.get("metrics"), Mapping):
        scored = {"metrics": {k: v for k, v in scored.items() if k != "detailed_results"}} | {
            k: v for k, v in scored.items() if k == "detailed_results"
        }
    details = scored.get("detailed_results")
    if details is not None and len(details) != len(flat):
        raise TaskError(
            f"compute_metrics returned {len(details)} detailed_results for {len(flat)} completions."
        )
    return dict(scored)


def _detailed_results(
    rows: list[dict[str, Any]],
    completions: list[list[Completion]],
    details: list[dict[str, Any]] | None,
    ids: list[Any],
) -> list[dict[str, Any]]:
    """Returns one entry a row: what was asked, what was answered, what the task says about it."""
    results, position = [], 0
    for row_id, row, drawn in zip(ids, rows, completions, strict=True):
        own = (details or [])[position : position + len(drawn)]
        position += len(drawn)
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


def _means(details: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the mean over a row's samples of each number that every sample has."""
    if not details:
        return {}
    names = [n for n in details[0] if all(is_number(d.get(n)) for d in details)]
    return {name: sum(float(d[name]) for d in details) / len(details) for name in names}


def _samples(
    rows: list[dict[str, Any]],
    completions: list[list[Completion]],
    details: list[dict[str, Any]] | None,
    ids: list[Any],
) -> list[EvalSample]:
    """Returns one telemetry row a completion."""
    scores = iter(details or [])
    return [
        EvalSample(
            row_id=str(row_id),
            prompt=row["prompt"],
            completion=completion.text,
            sample_index=sample,
            scores=dict(next(scores, {})),
            tokens=completion.tokens,
        )
        for row, drawn, row_id in zip(rows, completions, ids, strict=True)
        for sample, completion in enumerate(drawn)
    ]


def _row_ids(rows: list[dict[str, Any]]) -> list[Any]:
    """Returns what names each row: its `id`, else its place.

    Raises:
        TaskError: Two rows have the same; a paired comparison would take one for the other.
    """
    ids = [row.get("id", place) for place, row in enumerate(rows)]
    seen: set[str] = set()
    for row_id in map(str, ids):
        if row_id in seen:
            raise TaskError(
                f"get_eval_dataset has two rows with the id {row_id!r}.",
                hint="Ids tell rows apart in comparisons of models; make them unique.",
            )
        seen.add(row_id)
    return ids


def _write_results(
    context: RunContext, metrics: Mapping[str, Any], detailed: list[dict[str, Any]]
) -> None:
    result = context.result
    content = {
        "run_id": result.run_id,
        "metrics": dict(metrics),
        "config": without_secrets(context.plain_config),
        "model": context.config.model.name,
        "adapter_sha256": result.adapter_sha256,
        "detailed_results": detailed,
    }
    path = context.output_dir / File.RESULTS
    context.fence.write(File.RESULTS, json.dumps(content, indent=1, default=_plain) + "\n")
    result.metrics = {n: float(v) for n, v in metrics.items() if is_number(v)}
    for name in sorted(metrics.keys() - result.metrics.keys()):
        context.warn(f"The metric {name} is no finite number and stands in {path.name} only.")
    if not result.metrics:
        raise TaskError("compute_metrics returned no metric that is a number.")
    result.artifacts = [
        {
            "kind": "results",
            "path": path.name,
            "bytes": path.stat().st_size,
            "sha256": sha256_of_file(path),
        }
    ]


def _plain(value: Any) -> Any:
    """What JSON makes of a value that it does not know: a number where it is one, else text."""
    return float(value) if is_number(value) else str(value)
