"""RL: a task's prompts and rewards, a model and TRL's GRPOTrainer put together."""

from typing import Any

from datasets import Dataset

from tenyson.errors import TaskError
from tenyson.jobs._arguments import fit_to_model, rl_arguments
from tenyson.jobs._context_length import require_room_to_answer
from tenyson.jobs._data import call_hook, dataset_of, facts_of, require_columns
from tenyson.jobs._generations import GenerationRecorder
from tenyson.jobs._libraries import quiet
from tenyson.jobs._models import load_tokenizer, locate_model
from tenyson.jobs._recording import recording
from tenyson.jobs._rewards import checked_rewards
from tenyson.jobs._trained_model import model_to_train
from tenyson.jobs._trainers import TenysonGRPOTrainer
from tenyson.jobs._training import train as train_to_the_end
from tenyson.jobs.context import RunContext
from tenyson.seeding import seed_everything
from tenyson.telemetry.callbacks import GRPOEpochTelemetryCallback


def train(context: RunContext) -> None:
    """Trains on the task's rewards; `context.result` holds the outcome."""
    quiet()
    context.options.stop.check()  # the libraries' import takes long
    seed_everything(context.config.training.seed)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    prompts = dataset_of(context, "get_rl_dataset", context.plain_config)
    require_columns(prompts, "get_rl_dataset", ("prompt",))
    rewards = call_hook(context, "get_reward_funcs", context.plain_config, tokenizer)
    arguments = rl_arguments(context)
    require_a_full_round(prompts, arguments)
    model, adapter = model_to_train(context, source)
    fit_to_model(arguments, model)
    length = arguments.max_completion_length
    require_room_to_answer(prompts, "get_rl_dataset", tokenizer, model.config, length)
    with recording(context) as telemetry:
        weights = context.config.rl.reward_weights
        recorder = GenerationRecorder(
            telemetry, arguments.num_generations, weights, ranks=context.ranks
        )
        checked = checked_rewards(rewards, recorder, weights)

        def make_trainer(callbacks: list[Any]) -> Any:
            trainer = TenysonGRPOTrainer(
                model=model,
                reward_funcs=checked,
                args=arguments,
                train_dataset=prompts,
                processing_class=tokenizer,
                callbacks=callbacks,
            )
            trainer.sampling_batch_size = context.config.rl.sampling_batch_size
            return trainer

        train_to_the_end(
            context,
            make_trainer,
            source=source,
            datasets={"train": facts_of(prompts)},
            adapter=adapter,
            callbacks=[GRPOEpochTelemetryCallback(telemetry)],
        )


def require_a_full_round(prompts: Dataset, arguments: Any) -> None:
    """TRL leaves out an incomplete round; with too few prompts that is all of them, in silence."""
    needed = arguments.generation_batch_size // arguments.num_generations
    if len(prompts) < needed:
        raise TaskError(
            f"get_rl_dataset returned {len(prompts)} prompts; one round of sampling takes {needed} "
            f"({arguments.generation_batch_size} completions in groups of "
            f"{arguments.num_generations}).",
            hint="Return more prompts, or lower training.per_device_train_batch_size.",
        )
