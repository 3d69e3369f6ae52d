"""SFT: a task's examples, a model and TRL's SFTTrainer put together."""

from collections.abc import Callable
from typing import Any

from datasets import Dataset

from tenyson.errors import TaskError
from tenyson.jobs._libraries import quiet
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import require_room
from tenyson.jobs.data._data import callable_of, dataset_of, facts_of, optional_dataset_of
from tenyson.jobs.data._data_report import decide_packing, report_data
from tenyson.jobs.data._examples import check_examples
from tenyson.jobs.data._mask_report import report_masks, sample_of, stop_ids_of
from tenyson.jobs.data._preparation import PreparedRows, prepare
from tenyson.jobs.data.named import origin_of
from tenyson.jobs.models._models import load_tokenizer, locate_model, require_vocabulary
from tenyson.jobs.models._trained_model import model_to_train
from tenyson.jobs.training._arguments import fit_to_model, sft_arguments
from tenyson.jobs.training._trainers import TenysonSFTTrainer
from tenyson.jobs.training._training import train as train_to_the_end
from tenyson.seeding import seed_everything
from tenyson.telemetry.callbacks import SFTTelemetryCallback

HOOKS = {"train": "get_sft_dataset", "eval": "get_sft_eval_dataset"}
TRAINED_COLUMNS = ("input_ids", "labels", "seq_lengths")
"""What of a prepared row the collator gets."""


def train(context: RunContext) -> None:
    """Trains on the task's examples; `context.result` holds the outcome."""
    quiet()
    context.options.stop.check()  # the libraries' import takes long
    seed_everything(context.config.training.seed)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    hooks = (context.plain_config, tokenizer)
    formatting_func = callable_of(context, "get_sft_formatting_func", *hooks)
    collator = callable_of(context, "get_sft_data_collator", *hooks)
    data = examples_of(context, formatting_func is not None, hooks)
    arguments = sft_arguments(
        context, has_eval_set="eval" in data, formats=formatting_func is not None
    )
    prepared = prepare_all(data, tokenizer, arguments, formatting_func)
    context.options.stop.check()
    model, adapter = model_to_train(context, source)
    fit_to_model(arguments, model)
    _require_fit(context, prepared, model, tokenizer)
    choice = decide_packing(
        context, prepared["train"], model.config, has_collator=collator is not None
    )
    arguments.packing = choice.packs

    def make_trainer(callbacks: list[Any]) -> Any:
        trainer = TenysonSFTTrainer(
            model=model,
            args=arguments,
            train_dataset=prepared["train"].rows,
            eval_dataset=prepared["eval"].rows if "eval" in prepared else None,
            processing_class=tokenizer,
            data_collator=collator,
            callbacks=callbacks,
        )
        _report(context, trainer, prepared["train"], tokenizer)
        return trainer

    facts = {role: facts_of(dataset) for role, dataset in data.items()}
    train_to_the_end(
        context,
        make_trainer,
        source=source,
        datasets=facts,
        adapter=adapter,
        callbacks=[SFTTelemetryCallback(context.record.telemetry)],
    )


def prepare_all(
    data: dict[str, Dataset],
    tokenizer: Any,
    arguments: Any,
    formatting_func: Callable[..., Any] | None,
) -> dict[str, PreparedRows]:
    """Returns each data set as tokens with labels, by its role."""
    return {
        role: prepare(dataset, HOOKS[role], tokenizer, arguments, formatting_func)
        for role, dataset in data.items()
    }


def examples_of(context: RunContext, formats: bool, hooks: tuple[Any, ...]) -> dict[str, Dataset]:
    """Returns the training set and, where the task has one, the evaluation set."""
    data = {"train": dataset_of(context, HOOKS["train"], *hooks)}
    evaluation = optional_dataset_of(context, HOOKS["eval"], *hooks)
    if evaluation is not None:
        data["eval"] = evaluation
    if not formats:
        for role, dataset in data.items():
            origin = origin_of(context, HOOKS[role]) if role == "train" else HOOKS[role]
            check_examples(dataset, origin, hooks[1])
    return data


def _require_fit(
    context: RunContext, prepared: dict[str, PreparedRows], model: Any, tokenizer: Any
) -> None:
    """Refuses rows with tokens that the model does not know, or longer than its context."""
    for own in prepared.values():
        require_vocabulary(model.config, tokenizer, own.largest_id)
        require_room(int(own.lengths.max()), context.config.data.max_length, model.config)


def _report(context: RunContext, trainer: Any, prepared: PreparedRows, tokenizer: Any) -> None:
    rows = trainer.train_dataset
    if len(rows) == 0:
        raise TaskError(
            "No example of get_sft_dataset has a token left to train on: prompts alone fill "
            f"data.max_length = {trainer.args.max_length}.",
            hint="Raise data.max_length, or shorten the prompts.",
        )
    masks = report_masks(
        sample_of(rows, TRAINED_COLUMNS),
        trainer.data_collator,
        batch_size=trainer.args.per_device_train_batch_size,
        stop_ids=stop_ids_of(tokenizer, trainer.model),
        pad_id=tokenizer.pad_token_id,
    )
    report_data(context, masks, prepared, None if trainer.args.packing else len(rows))
