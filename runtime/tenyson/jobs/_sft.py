"""SFT: a task's examples, a model and TRL's SFTTrainer put together."""

from typing import Any

from datasets import Dataset

from tenyson.errors import TaskError
from tenyson.jobs._arguments import fit_to_model, sft_arguments
from tenyson.jobs._data import (
    callable_of,
    dataset_of,
    facts_of,
    optional_dataset_of,
    require_columns,
)
from tenyson.jobs._libraries import quiet
from tenyson.jobs._models import load_tokenizer, locate_model
from tenyson.jobs._recording import recording
from tenyson.jobs._trainers import TenysonSFTTrainer
from tenyson.jobs._training import model_to_train
from tenyson.jobs._training import train as train_to_the_end
from tenyson.jobs.context import RunContext
from tenyson.seeding import seed_everything
from tenyson.telemetry.callbacks import SFTTelemetryCallback

USABLE_COLUMNS = (("prompt", "completion"), ("messages",), ("text",), ("input_ids",))


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
    data = _examples(context, formatting_func is not None, hooks)
    arguments = sft_arguments(
        context, has_eval_set="eval" in data, formats=formatting_func is not None
    )
    model, adapter = model_to_train(context, source)
    fit_to_model(arguments, model)

    def make_trainer(callbacks: list[Any]) -> Any:
        trainer = TenysonSFTTrainer(
            model=model,
            args=arguments,
            train_dataset=data["train"],
            eval_dataset=data.get("eval"),
            processing_class=tokenizer,
            data_collator=collator,
            formatting_func=formatting_func,
            callbacks=callbacks,
        )
        if len(trainer.train_dataset) == 0:
            raise TaskError(
                "No example of get_sft_dataset has a token left to train on: prompts alone fill "
                f"data.max_length = {arguments.max_length}.",
                hint="Raise data.max_length, or shorten the prompts.",
            )
        return trainer

    facts = {role: facts_of(dataset) for role, dataset in data.items()}
    with recording(context) as telemetry:
        train_to_the_end(
            context,
            make_trainer,
            source=source,
            datasets=facts,
            adapter=adapter,
            callbacks=[SFTTelemetryCallback(telemetry)],
        )


def _examples(context: RunContext, formats: bool, hooks: tuple[Any, ...]) -> dict[str, Dataset]:
    """Returns the training set and, where the task has one, the evaluation set."""
    data = {"train": dataset_of(context, "get_sft_dataset", *hooks)}
    evaluation = optional_dataset_of(context, "get_sft_eval_dataset", *hooks)
    if evaluation is not None:
        data["eval"] = evaluation
    if not formats:
        for role, dataset in data.items():
            hook = "get_sft_dataset" if role == "train" else "get_sft_eval_dataset"
            require_columns(dataset, hook, *USABLE_COLUMNS)
    return data
