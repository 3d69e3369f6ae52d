"""What a run was made of, gathered for its manifest and written before it trains."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tenyson.checkpoints import manifest as checkpoint_manifest
from tenyson.contract import File
from tenyson.errors import CheckpointError, SupersededError, TenysonError
from tenyson.files import write_atomically
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import DataFacts
from tenyson.jobs.data.named import dataset_facts
from tenyson.jobs.models._models import Adapter
from tenyson.jobs.resume.replaying import check_replay
from tenyson.manifest import recipe_of, task_facts, weights_of_folder
from tenyson.manifest.content import Parts, as_json, manifest_content
from tenyson.manifest.hashes import tokenizer_facts
from tenyson.manifest.lineage import parent_runs


@dataclass(frozen=True)
class Ingredients:
    """What a run is made of, as it was loaded."""

    source: str
    """Where the base model came from."""
    model_config: Any
    """The base model's."""
    tokenizer: Any
    """As the run uses it."""
    datasets: Mapping[str, DataFacts]
    """By role, what identifies the data; the first is the one that counts."""
    adapter: Adapter | None
    """What the run starts from; None for a base model or new weights."""
    evaluated: Mapping[str, Adapter] = field(default_factory=dict)
    """The further adapters of an evaluation, by name."""


def describe_run(context: RunContext, made_of: Ingredients) -> None:
    """Writes the run's manifest, on rank 0; the last thing before the work begins.

    Raises:
        TaskError: The run repeats another, and its data or its weights are not that one's.
    """
    context.result.dataset_fingerprints = {
        role: facts.fingerprint for role, facts in made_of.datasets.items()
    }
    if not context.ranks.is_main:
        return
    content = manifest_content(_parts(context, made_of))
    check_replay(context, content)
    text = as_json(content)
    _write(context, text)
    started_from = [made_of.adapter, *made_of.evaluated.values()]
    context.record.describe(json.loads(text), _parent_ids(started_from, made_of.source))


def _parts(context: RunContext, made_of: Ingredients) -> Parts:
    return Parts(
        run_id=context.result.run_id,
        attempt=context.result.attempt,
        job_type=context.job_type.value,
        config=context.plain_config,
        recipe=recipe_of(context.task),
        task=task_facts(context.task),
        datasets={role: asdict(facts) for role, facts in made_of.datasets.items()},
        model=_model_facts(context, made_of.model_config, made_of.source),
        tokenizer=tokenizer_facts(made_of.tokenizer),
        folder=context.output_dir,
        adapter_parent=_adapter_facts(context.adapter_source, made_of.adapter),
        evaluated_adapters=_evaluated_facts(context, made_of.evaluated),
        parent_runs=parents_of(made_of.adapter, made_of.source),
        resumed_from_step=context.result.resumed_from_step or 0,
        ranks=context.ranks.size,
        command=context.options.command,
        engine=asdict(context.engine) if context.engine else None,
        notes=context.notes,
        dataset=dataset_facts(context),
    )


def parents_of(adapter: Adapter | None, source: str) -> list[dict[str, Any]]:
    """Returns the runs behind what a run starts from, as its checkpoint's manifest tells of them.

    Args:
        adapter: What the run starts from; those of its own base model are among its parents.
        source: Where the base model came from: the folder of a run that trained all weights, too.
    """
    from_adapter = parent_runs(_checkpoint_facts(adapter.folder)) if adapter else []
    return from_adapter or parent_runs(_checkpoint_facts(Path(source)))


def _checkpoint_facts(folder: Path) -> dict[str, Any] | None:
    try:
        return checkpoint_manifest.read(folder)
    except CheckpointError:
        return None  # an adapter or a model from elsewhere


def _parent_ids(adapters: Iterable[Adapter | None], source: str) -> list[str]:
    """Returns the ids of the runs behind all of these adapters, each once."""
    ids = [str(run["run_id"]) for adapter in adapters for run in parents_of(adapter, source)]
    return list(dict.fromkeys(ids))


def _write(context: RunContext, text: str) -> None:
    """Writes the manifest, and a copy that stays when a next attempt writes its own.

    It goes to the mirror at once: who loses the machine can still tell what ran.
    """
    fence, mirror, result = context.fence, context.mirror, context.result
    fence.check()
    write_atomically(fence.attempt_folder / File.MANIFEST, text)
    fence.write(File.MANIFEST, text)
    result.manifest_uri = str(context.output_dir / File.MANIFEST)
    if mirror is None:
        return
    try:
        mirror.upload_file(
            fence.attempt_folder / File.MANIFEST, f"{fence.attempt_folder.name}/{File.MANIFEST}"
        )
        mirror.upload_file(fence.folder / File.MANIFEST)
        result.manifest_uri = f"{mirror.uri}/{File.MANIFEST}"
    except SupersededError:
        raise
    except TenysonError as trouble:
        context.warn(f"The manifest is only in the output folder so far: {trouble.message}")


def _model_facts(context: RunContext, model_config: Any, source: str) -> dict[str, Any]:
    """Returns what identifies the base model, for the manifest."""
    name = context.config.model.name
    if Path(source).is_dir():
        place = str(Path(source).resolve())
        return {"name": name, "source": place, **weights_of_folder(Path(source))}
    revision = context.config.model.revision
    commit = getattr(model_config, "_commit_hash", None)
    return {"name": name, "source": source, "revision": commit or revision}


def _adapter_facts(source: str | None, adapter: Adapter | None) -> dict[str, Any] | None:
    """Returns what identifies an adapter, for the manifest; None where there is none."""
    if source is None or adapter is None:
        return None
    path = source if "://" in source else str(Path(source).expanduser().resolve())
    return {"path": path, "sha256": adapter.sha256}


def _evaluated_facts(context: RunContext, adapters: Mapping[str, Adapter]) -> dict[str, Any]:
    sources = context.config.evaluation.adapters
    return {name: _adapter_facts(sources[name], adapter) for name, adapter in adapters.items()}
