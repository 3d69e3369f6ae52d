"""What a run was made of, gathered for its manifest."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenyson.jobs._data import DataFacts
from tenyson.jobs._models import Adapter
from tenyson.jobs.context import RunContext
from tenyson.manifest import recipe_of, weights_of_folder, write_manifest


def describe_run(
    context: RunContext,
    model: Any,
    source: str,
    datasets: dict[str, DataFacts],
    adapter: Adapter | None,
) -> None:
    """Writes the run's manifest, on rank 0.

    Args:
        context: The attempt.
        model: The model, with the adapter on it.
        source: Where the base model came from.
        datasets: By role, what identifies the data; the first is the one that counts.
        adapter: What the run starts from; None for a base model or new weights.
    """
    if not context.ranks.is_main:
        return
    context.fence.check()
    write_manifest(
        context.output_dir,
        run_id=context.result.run_id,
        attempt=context.result.attempt,
        job_type=context.job_type.value,
        config=context.plain_config,
        recipe=recipe_of(context.task),
        datasets={role: asdict(facts) for role, facts in datasets.items()},
        model=_model_facts(context, model, source),
        adapter_parent=_adapter_facts(context, adapter),
        resumed_from_step=context.result.resumed_from_step,
        ranks=context.ranks.size,
        command=context.options.command,
        engine=asdict(context.engine) if context.engine else None,
        notes=context.notes,
    )


def _model_facts(context: RunContext, model: Any, source: str) -> dict[str, Any]:
    """Returns what identifies the base model, for the manifest."""
    facts: dict[str, Any] = {"name": context.config.model.name, "source": source}
    if Path(source).is_dir():
        return facts | weights_of_folder(Path(source))
    revision = context.config.model.revision
    return facts | {"revision": getattr(model.config, "_commit_hash", None) or revision}


def _adapter_facts(context: RunContext, adapter: Adapter | None) -> dict[str, Any] | None:
    """Returns what identifies the adapter that the run starts from, for the manifest."""
    if adapter is None:
        return None
    return {"path": context.adapter_source, "sha256": adapter.sha256}
