"""`eval_outputs.jsonl`: a line a completion that says all about itself, for a later comparison."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.evaluation.evalset_task import EvalSetTask
from tenyson.evaluation.intervals import number_names
from tenyson.files import sha256_of_file
from tenyson.jobs.context import RunContext
from tenyson.jobs.evaluating._eval_results import AnswerSet, Rows, Scored
from tenyson.jobs.evaluating.answers_recipe import model_identity
from tenyson.manifest import LOWER_IS_BETTER, sha256_of_json, task_facts, without_secrets
from tenyson.numbers import is_number


def write_outputs(context: RunContext, rows: Rows, ids: Sequence[Any], scored: Scored) -> None:
    """Writes an answer set's lines, and names the file in the result."""
    label = scored.answers.label.replace("/", "-")
    name = File.NAMED_EVAL_OUTPUTS.format(name=label) if label else File.EVAL_OUTPUTS
    common = _common(context, scored.answers)
    scores = _scores(context, scored)
    lines = [
        json.dumps(
            {
                "id": str(row_id),
                "prompt": row["prompt"],
                "expected_answer": row.get("expected_answer"),
                "sample": sample,
                "completion": completion.text,
                "completion_tokens": completion.tokens,
                "truncated": completion.is_truncated,
                "score": next(iter(scores[place][sample].values()), None),
                "scores": scores[place][sample],
                **common,
                "fingerprints": {
                    "prompt": sha256_of_json(row["prompt"]),
                    **common["fingerprints"],
                },
            },
            default=str,
        )
        for place, (row_id, row) in enumerate(zip(ids, rows, strict=True))
        for sample, completion in enumerate(scored.answers.completions[place])
    ]
    context.fence.write(name, "\n".join(lines) + "\n")
    path = context.output_dir / name
    context.result.artifacts.append(
        {
            "kind": "eval_outputs",
            "path": name,
            "bytes": path.stat().st_size,
            "sha256": sha256_of_file(path),
        }
    )


def _common(context: RunContext, answers: AnswerSet) -> dict[str, Any]:
    """Returns what is the same in every line: seed, model, settings, fingerprints, run."""
    manifest = _manifest(context)
    settings = context.config.evaluation
    is_sampled = settings.temperature > 0 and answers.is_sampled
    task = context.config.task
    return {
        "seed": settings.seed,
        "model": {
            "name": _name(context, answers),
            "base": {"name": context.config.model.name, **model_identity(manifest["model"])},
            "adapter_sha256": answers.facts.get("adapter_sha256"),
        },
        "settings": {
            "max_new_tokens": settings.max_new_tokens,
            "temperature": settings.temperature if is_sampled else 0.0,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
            "num_samples": len(answers.completions[0]),
            "chat": bool(task.get("chat", False)),
            "scorer": task.get("scorer"),
            **_scoring_task(task),
            "loader": context.config.model.loader,
            "dtype": context.config.model.dtype,
            LOWER_IS_BETTER: manifest.get(LOWER_IS_BETTER, []),
            "engine": answers.facts.get("engine"),
        },
        "fingerprints": {
            "eval_set": manifest["datasets"]["eval"]["fingerprint"],
            "task": manifest["task"].get("fingerprint"),
            "scoring": _scoring_fingerprint(context, manifest),
        },
        "run_id": context.result.run_id,
    }


def _scoring_task(section: Mapping[str, Any]) -> dict[str, Any]:
    """Returns which other task scores, and a digest of its section; None where none does."""
    if "task" not in (section.get("scorer") or ()):
        return {"task_module": None, "task": None}
    own = without_secrets(dict(section.get("task") or {}))
    return {"task_module": section.get("task_module"), "task": sha256_of_json(own)[:12]}


def _scoring_fingerprint(context: RunContext, manifest: Mapping[str, Any]) -> Any:
    """Returns the fingerprint of the task's code that scores; None where scorers alone do."""
    if not isinstance(context.task, EvalSetTask):
        return manifest["task"].get("fingerprint")
    scoring = context.task.scoring_task(context.plain_config)
    return None if scoring is None else task_facts(scoring)["fingerprint"]


def _name(context: RunContext, answers: AnswerSet) -> str:
    """Returns what a report calls the model."""
    if answers.facts.get("adapter_sha256") is None:
        return context.config.model.name
    adapters = context.config.evaluation.adapters
    return adapters.get(answers.label.partition("/")[0]) or str(context.adapter_source)


def _scores(context: RunContext, scored: Scored) -> list[list[dict[str, float]]]:
    """Returns by row and completion the numbers that every completion has."""
    if scored.scores is None:
        return [[{} for _ in drawn] for drawn in scored.answers.completions]
    names = number_names(scored.scores)
    every = [detail for drawn in scored.scores for detail in drawn]
    if dropped := sorted(_numbers_of(every) - set(names)):
        context.warn(
            f"{', '.join(dropped)} {'is' if len(dropped) == 1 else 'are'} no finite number in "
            "every completion, and cannot be compared with another evaluation's."
        )
    return [
        [{name: float(detail[name]) for name in names} for detail in drawn]
        for drawn in scored.scores
    ]


def _numbers_of(details: Sequence[Mapping[str, Any]]) -> set[str]:
    return {name for detail in details for name, value in detail.items() if is_number(value)}


def _manifest(context: RunContext) -> dict[str, Any]:
    text = Path(context.output_dir, File.MANIFEST).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
