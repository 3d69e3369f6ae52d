"""What SFT and RL share: from a trainer to a trained adapter, through checkpoints."""

import json
import logging
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model
from transformers import PrinterCallback
from transformers.trainer_callback import ProgressCallback

from tenyson.checkpoints.store import Checkpoint, CheckpointStore
from tenyson.contract import File
from tenyson.errors import CheckpointError, ConfigError, Problem, StoppedError
from tenyson.files import sha256_of_file
from tenyson.jobs._callbacks import EdgeCallback, MetricsCallback, drop_rows_after
from tenyson.jobs._data import DataFacts
from tenyson.jobs._models import (
    ADAPTER_WEIGHTS,
    Adapter,
    load_model,
    locate_adapter,
    new_lora,
    put_adapter,
)
from tenyson.jobs.context import Reporter, RunContext
from tenyson.manifest import recipe_of, weights_of_folder, write_manifest
from tenyson.seeding import seed_everything

LOG = logging.getLogger("tenyson.jobs")


def model_to_train(context: RunContext, source: str) -> tuple[Any, Adapter | None]:
    """Returns the model with the weights that are to be trained, and the adapter it starts from."""
    config = context.config
    adapter = locate_adapter(context)
    model = load_model(config, source, context.job_type)
    if config.adapter.kind == "none":
        if adapter is not None:
            raise ConfigError(
                [
                    Problem(
                        "adapter.path",
                        "adapter.kind none trains every weight of the base model "
                        "and cannot start from an adapter",
                    )
                ],
                hint="Set adapter.kind: lora to go on training the adapter.",
            )
        return model, None
    if adapter is not None:
        return put_adapter(model, adapter, is_trainable=True), adapter
    seed_everything(config.training.seed)  # the first matrices are drawn at random
    try:
        return get_peft_model(model, new_lora(config)), None
    except ValueError as error:
        raise ConfigError(
            [Problem("adapter.target_modules", str(error))],
            hint="Name layers that the model has, or all-linear.",
        ) from error


def train(
    context: RunContext,
    make_trainer: Callable[[list[Any]], Any],
    *,
    source: str,
    datasets: dict[str, DataFacts],
    adapter: Adapter | None,
    callbacks: list[Any],
) -> None:
    """Trains from the newest checkpoint to the end, and leaves `checkpoint-final`.

    Args:
        context: The attempt; its result fills up.
        make_trainer: Takes the callbacks and returns a guarded trainer.
        source: Where the base model came from.
        datasets: By role, what identifies the data; the first is trained on.
        adapter: What training starts from; None for new weights.
        callbacks: Further callbacks, such as the telemetry's.

    Raises:
        StoppedError: A stop was asked for; the checkpoint is saved.
    """
    config, result = context.config, context.result
    store = CheckpointStore(context.output_dir, keep=config.checkpoint.keep, mirror=context.mirror)
    reporter = Reporter(context)
    with closing(reporter), context.options.stop.deferred():
        metrics = MetricsCallback(context.output_dir / File.METRICS, reporter, result)
        edge = EdgeCallback(config.checkpoint, context.options.stop)
        trainer = make_trainer([metrics, edge, *callbacks])
        for chatty in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(chatty)
        trainer.store, trainer.checkpoint_facts = store, _facts(context, source)
        checkpoint = _start_from(context, store, trainer.checkpoint_facts)
        result.resumed_from_step = result.global_step = checkpoint.step if checkpoint else 0
        _describe_run(context, trainer, source, datasets, adapter)
        try:
            _train_from(trainer, checkpoint)
        finally:
            for warning in store.warnings:
                context.warn(warning)
        result.global_step = trainer.state.global_step
        _stop_if_asked(context, trainer)
        _finish(context, trainer, store)


def _train_from(trainer: Any, checkpoint: Checkpoint | None) -> None:
    if checkpoint is None:
        trainer.train()
        return
    folder = checkpoint.folder
    trained = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    total = trainer.args.max_steps if trainer.args.max_steps > 0 else trained["max_steps"]
    if checkpoint.step < total:
        trainer.train(resume_from_checkpoint=str(folder))
        return
    # transformers would train one step more: it looks for the end only after a step.
    trainer._load_from_checkpoint(str(folder))
    trainer.state = type(trainer.state).load_from_json(str(folder / "trainer_state.json"))


def _start_from(
    context: RunContext, store: CheckpointStore, facts: dict[str, Any]
) -> Checkpoint | None:
    """Returns the checkpoint to go on from; newer ones and later metrics are put out of the way."""
    wanted = context.config.checkpoint.resume
    if wanted == "never":
        checkpoint = None
    else:
        checkpoint = store.newest() if wanted == "auto" else store.at_step(wanted)
    if checkpoint is not None:
        _refuse_another_run(checkpoint, facts)
        LOG.info("Going on from %s", checkpoint.folder.name)
    step = checkpoint.step if checkpoint else 0
    store.set_aside_after(step)
    metrics = context.output_dir / File.METRICS
    if (
        checkpoint
        and context.mirror
        and not metrics.exists()
        and context.mirror.exists(metrics.name)
    ):
        context.mirror.fetch(metrics.name, metrics)
    drop_rows_after(metrics, step)
    return checkpoint


def _refuse_another_run(checkpoint: Checkpoint, facts: dict[str, Any]) -> None:
    for name in ("job_type", "model", "adapter"):
        if checkpoint.facts.get(name) != facts[name]:
            raise CheckpointError(
                f"{checkpoint.folder.name} is of another run: its {name} is "
                f"{checkpoint.facts.get(name)!r}, this run's is {facts[name]!r}.",
                hint="Use another output folder, or checkpoint.resume: never to start anew.",
            )


def _facts(context: RunContext, source: str) -> dict[str, Any]:
    """What a checkpoint's manifest says beside its files."""
    adapter = context.config.adapter
    trained: Any = "none"
    if adapter.kind == "lora":
        trained = {"r": adapter.r, "alpha": adapter.alpha, "targets": list(adapter.target_modules)}
    return {
        "run_id": context.result.run_id,
        "attempt": context.result.attempt,
        "job_type": context.job_type.value,
        "model": context.config.model.name,
        "adapter": trained,
    }


def _describe_run(
    context: RunContext,
    trainer: Any,
    source: str,
    datasets: dict[str, DataFacts],
    adapter: Adapter | None,
) -> None:
    write_manifest(
        context.output_dir,
        run_id=context.result.run_id,
        attempt=context.result.attempt,
        job_type=context.job_type.value,
        config=context.plain_config,
        recipe=recipe_of(context.task),
        datasets={role: asdict(facts) for role, facts in datasets.items()},
        model=model_facts(context, trainer.model, source),
        adapter_parent=adapter_facts(context, adapter),
        resumed_from_step=context.result.resumed_from_step,
        command=context.options.command,
    )


def model_facts(context: RunContext, model: Any, source: str) -> dict[str, Any]:
    """Returns what identifies the base model, for the manifest."""
    facts: dict[str, Any] = {"name": context.config.model.name, "source": source}
    if Path(source).is_dir():
        return facts | weights_of_folder(Path(source))
    revision = context.config.model.revision
    return facts | {"revision": getattr(model.config, "_commit_hash", None) or revision}


def adapter_facts(context: RunContext, adapter: Adapter | None) -> dict[str, Any] | None:
    """Returns what identifies the adapter that the run starts from, for the manifest."""
    if adapter is None:
        return None
    return {"path": context.adapter_source, "sha256": adapter.sha256}


def _stop_if_asked(context: RunContext, trainer: Any) -> None:
    stop, state = context.options.stop, trainer.state
    if stop.is_made and state.global_step < state.max_steps:
        raise StoppedError(
            f"Stopped on request ({stop.reason}) after step {state.global_step} of "
            f"{state.max_steps}; its checkpoint is saved.",
            hint="The next attempt goes on from there.",
        )


def _finish(context: RunContext, trainer: Any, store: CheckpointStore) -> None:
    result = context.result
    if trainer.eval_dataset is not None and not _is_evaluated(trainer.state):
        trainer.evaluate()
    facts = {**trainer.checkpoint_facts, "step": result.global_step}
    with store.saving(File.FINAL_CHECKPOINT, **facts) as folder:
        if isinstance(trainer.model, PeftModel):
            trainer.model.save_pretrained(str(folder), selected_adapters=["default"])
            (folder / "README.md").unlink(missing_ok=True)
            result.adapter_sha256 = sha256_of_file(folder / ADAPTER_WEIGHTS)
        else:
            trainer.model.save_pretrained(str(folder))
        trainer.processing_class.save_pretrained(str(folder))
    result.metrics = final_metrics(trainer.state.log_history)
    result.artifacts = _artifacts(context.output_dir, result.adapter_sha256)


def _is_evaluated(state: Any) -> bool:
    """Whether the last step was evaluated already, as `eval_steps` may have it."""
    return any(
        row.get("step") == state.global_step and "eval_loss" in row for row in state.log_history
    )


def final_metrics(log_history: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the last value of everything logged, over all attempts, and the mean loss."""
    metrics: dict[str, float] = {}
    losses = [row["loss"] for row in log_history if _is_finite(row.get("loss"))]
    for row in log_history:
        metrics |= {n: float(v) for n, v in row.items() if n not in ("step",) and _is_finite(v)}
    metrics.pop("total_flos", None)
    if losses:
        metrics["train_loss"] = sum(losses) / len(losses)
    return metrics


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _artifacts(folder: Path, adapter_sha256: str | None) -> list[dict[str, Any]]:
    final = folder / File.FINAL_CHECKPOINT
    size = sum(path.stat().st_size for path in final.rglob("*") if path.is_file())
    kind = "adapter" if adapter_sha256 else "model"
    artifacts = [{"kind": kind, "path": final.name, "bytes": size, "sha256": adapter_sha256}]
    for name in (File.METRICS, File.MANIFEST):
        path = folder / name
        if path.is_file():
            artifacts.append(
                {
                    "kind": path.stem,
                    "path": name,
                    "bytes": path.stat().st_size,
                    "sha256": sha256_of_file(path),
                }
            )
    return artifacts
