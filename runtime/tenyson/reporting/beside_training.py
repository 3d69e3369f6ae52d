"""What, beside the training between them, is not the same about evaluations of one set."""

from collections.abc import Mapping
from typing import Any

from tenyson.reporting.records import Run
from tenyson.reporting.scored_models import ScoredSet

_TASK_SETTINGS = ("chat", "scorer", "task_module")


def beside_training(scored: ScoredSet, runs: Mapping[str, Run]) -> list[str]:
    """Returns a sentence for each setting that the models were not evaluated with alike.

    Args:
        scored: Models on the same prompts.
        runs: Their evaluations and the runs that these come from, by id.
    """
    by_model = {
        model.name: _settings(runs[model.found.run_id], runs, sampled=scored.sampled)
        for model in scored.models
    }
    names = dict.fromkeys(name for settings in by_model.values() for name in settings)
    found = []
    for name in names:
        values = {model: settings.get(name) for model, settings in by_model.items()}
        if len({repr(value) for value in values.values()}) > 1:
            told = ", ".join(f"{value!r} for {model}" for model, value in values.items())
            found.append(f"{name} is {told}")
    return found


def _settings(run: Run, runs: Mapping[str, Run], *, sampled: bool) -> dict[str, Any]:
    """How answers were drawn and scored; what greedy answers do not look at is left out."""
    config = run.config
    evaluation, task = config.get("evaluation") or {}, config.get("task") or {}
    beside_samples = bool(evaluation.get("include_greedy")) and not sampled
    temperature = 0.0 if beside_samples else evaluation.get("temperature")
    drawn = ("top_p", "top_k") if temperature else ()
    return {
        "model.name": (_untrained(run, runs).config.get("model") or {}).get("name"),
        "evaluation.max_new_tokens": evaluation.get("max_new_tokens"),
        "evaluation.temperature": temperature,
        "evaluation.num_samples": 1 if beside_samples else evaluation.get("num_samples"),
        **{f"evaluation.{name}": evaluation.get(name) for name in drawn},
        **{f"task.{name}": task.get(name) for name in _TASK_SETTINGS},
    }


def _untrained(run: Run, runs: Mapping[str, Run]) -> Run:
    """Returns the run whose base no run before has trained: a full training makes a new model."""
    earlier = [runs[parent] for parent in run.parents if parent in runs]
    full = [one for one in earlier if (one.config.get("adapter") or {}).get("kind") == "full"]
    return full[-1] if full else run
