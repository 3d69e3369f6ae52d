"""What SFT and RL share: from a trainer to a trained adapter, through checkpoints."""

import json
import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

from transformers import PrinterCallback
from transformers.integrations import KubeflowCallback
from transformers.trainer_callback import ProgressCallback

from tenyson.checkpoints.layout import Checkpoint
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.distributed.files import share_folder
from tenyson.distributed.ranks import Ranks
from tenyson.errors import TaskError
from tenyson.jobs.context import RunContext, checkpoint_store
from tenyson.jobs.data._data import DataFacts
from tenyson.jobs.guards._guarding import GuardCallback
from tenyson.jobs.limits._budget import BudgetCallback, is_spent_before, tokens_of
from tenyson.jobs.limits._memory_here import tell_memory
from tenyson.jobs.limits._out_of_memory import naming_the_lack_of_memory
from tenyson.jobs.limits.usage import nothing_trained
from tenyson.jobs.measuring._timing import measured
from tenyson.jobs.models._models import Adapter
from tenyson.jobs.models._weights import base_fingerprint
from tenyson.jobs.outcome._description import Ingredients, describe_run, parents_of
from tenyson.jobs.outcome._outcome import finish
from tenyson.jobs.outcome.uploading import uploads_finished
from tenyson.jobs.preemption._edge import EdgeCallback
from tenyson.jobs.preemption.estimates import SaveCost
from tenyson.jobs.preemption.words import stopped_error
from tenyson.jobs.resume.recipe import changed_settings, recipe, refuse_another_run
from tenyson.jobs.training._callbacks import MetricsCallback, drop_rows_after
from tenyson.jobs.training.going_back import find_start

LOG = logging.getLogger("tenyson.jobs")


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
    result = context.result
    _require_the_same_data(context.ranks, datasets)
    store = checkpoint_store(context)
    store.watcher = context.record.watcher
    with closing(context.reporter.line):
        trainer = _watched_trainer(context, make_trainer, store, callbacks)
        trainer.checkpoint_facts = {
            **recipe(context, trainer.args, _fingerprints(datasets)),
            "base_fingerprint": base_fingerprint(trainer.model),
            "parent_runs": parents_of(adapter, source),
        }
        checkpoint = _start_together(context, store, trainer.checkpoint_facts)
        result.resumed_from_step = result.global_step = checkpoint.step if checkpoint else 0
        trainer.saved_step = result.resumed_from_step
        tokenizer, model_config = trainer.processing_class, trainer.model.config
        describe_run(context, Ingredients(source, model_config, tokenizer, datasets, adapter))
        tell_memory(context, trainer.model)
        context.options.stop.check()
        with uploads_finished(context, store):
            timing = measured(trainer, context.phases, context.tokens)
            with timing, naming_the_lack_of_memory("training"):
                _train_from(context, trainer, checkpoint)
            result.global_step = trainer.state.global_step
            _stop_if_asked(context, trainer)
            finish(context, trainer, store)


def _watched_trainer(
    context: RunContext,
    make_trainer: Callable[[list[Any]], Any],
    store: CheckpointStore,
    callbacks: list[Any],
) -> Any:
    """Returns the trainer with all that looks at its steps, and with what it saves and stops by."""
    stop, ranks, saves = context.options.stop, context.ranks, SaveCost()
    metrics = MetricsCallback(
        context.fence, context.reporter, context.result, context.tokens, context.record
    )
    edge = EdgeCallback(context.config.checkpoint, stop, ranks, saves, warn=context.warn)
    budget, guards = BudgetCallback(context), GuardCallback(context, store)
    stop.allow_interruption()  # it tokenises the whole data set
    trainer = make_trainer([metrics, budget, edge, guards, *callbacks])
    stop.defer()
    stop.check()
    budget.count_tokens = lambda: tokens_of(trainer)
    guards.reward_names = getattr(trainer, "reward_func_names", ())
    for chatty in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(chatty)
    if context.options.progress:  # transformers adds its own where Kubeflow's variables are set
        trainer.remove_callback(KubeflowCallback)
    trainer.store, trainer.ranks = store, ranks
    trainer.stop, trainer.saves = stop, saves
    return trainer


def _train_from(context: RunContext, trainer: Any, checkpoint: Checkpoint | None) -> None:
    if checkpoint is None:
        if spent := is_spent_before(context, []):
            raise nothing_trained(spent)
        trainer.train()
        return
    folder = checkpoint.folder
    trained = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    total = _total_steps(trainer)
    if checkpoint.step < total:
        context.budget_spent = is_spent_before(context, trained["log_history"])
    if checkpoint.step < total and not context.budget_spent:
        trainer.args.eval_on_start = _owes_an_evaluation(trainer.args, trained)
        trainer.train(resume_from_checkpoint=str(folder))
        return
    # transformers would train one step more: it looks for the end only after a step.
    trainer._load_from_checkpoint(str(folder))
    trainer.load_extra_state(folder)
    trainer.check_weights(folder)
    trainer.state = type(trainer.state).load_from_json(str(folder / "trainer_state.json"))


def _total_steps(trainer: Any) -> int:
    """Returns the step at which the training ends, as it is configured now."""
    if trainer.args.max_steps > 0:
        return int(trainer.args.max_steps)
    loader = trainer.get_train_dataloader()
    *_, max_steps = trainer.set_initial_training_values(trainer.args, loader)
    return int(max_steps)


def _owes_an_evaluation(args: Any, trained: dict[str, Any]) -> bool:
    """Whether the attempt before stopped in, or before, the evaluation at its last step."""
    step = trained["global_step"]
    if args.eval_strategy != "steps" or step % args.eval_steps:
        return False
    return not any(row["step"] == step and "eval_loss" in row for row in trained["log_history"])


def _require_the_same_data(ranks: Ranks, datasets: dict[str, DataFacts]) -> None:
    """Refuses ranks that would each split other rows among themselves."""
    own = _fingerprints(datasets)
    of_all = ranks.share(ranks.gather(own))
    for rank, of_rank in enumerate(of_all):
        if different := [role for role in own if of_rank.get(role) != of_all[0].get(role)]:
            raise TaskError(
                f"The task gave rank {rank} other rows than rank 0 ({', '.join(different)}).",
                hint="A data hook must return the same rows in the same order wherever it runs: "
                "seed what it draws at random.",
            )


def _fingerprints(datasets: dict[str, DataFacts]) -> dict[str, str]:
    return {role: facts.fingerprint for role, facts in datasets.items()}


def _start_together(
    context: RunContext, store: CheckpointStore, facts: dict[str, Any]
) -> Checkpoint | None:
    """Returns the checkpoint to go on from, which rank 0 chooses for all."""
    ranks = context.ranks
    found = _start_from(context, store, facts) if ranks.is_main else None
    place = ranks.share(found.place if found else None)
    if place is None:
        return None
    folder = share_folder(ranks, found.folder if found else None, context.output_dir)
    ranks.has_checkpoint()
    return Checkpoint(place, folder, found.facts if found else {})


def _start_from(
    context: RunContext, store: CheckpointStore, facts: dict[str, Any]
) -> Checkpoint | None:
    """Returns the checkpoint to go on from; later metrics are put out of the way."""
    back = context.go_back
    checkpoint = find_start(store, context.config.checkpoint.resume, back)
    if checkpoint is not None:
        refuse_another_run(checkpoint.place.name, checkpoint.facts, facts)
        LOG.info("Going on from %s", checkpoint.place.name)
        _tell_of_start(context, checkpoint, store.warnings)
        if changed := changed_settings(checkpoint.facts, facts):
            context.warn(f"Going on with other settings than before: {'; '.join(changed)}.")
    step = checkpoint.step if checkpoint else 0
    is_rollback = back is not None and back.before_step is not None
    store.set_aside_after(step, of_all_attempts=is_rollback)
    metrics = context.output_dir / File.METRICS
    if (
        checkpoint
        and context.mirror
        and not metrics.exists()
        and context.mirror.exists(metrics.name)
    ):
        context.mirror.fetch(metrics.name, metrics)
    drop_rows_after(context.fence, step)
    return checkpoint


def _tell_of_start(context: RunContext, checkpoint: Checkpoint, passed_over: list[str]) -> None:
    context.record.tell(
        *("state", "resumed", f"Going on from {checkpoint.place.name}."),
        step=checkpoint.step,
        checkpoint=checkpoint.place.name,
        verified="size and SHA-256 of every file; after loading, the state in memory",
        passed_over=list(passed_over),
    )


def _stop_if_asked(context: RunContext, trainer: Any) -> None:
    stop, state = context.options.stop, trainer.state
    if stop.is_made and state.global_step < state.max_steps:
        raise stopped_error(
            stop.reason,
            step=state.global_step,
            total=state.max_steps,
            saved_step=trainer.saved_step,
        )
