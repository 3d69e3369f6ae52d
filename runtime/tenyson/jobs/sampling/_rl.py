"""RL: a task's prompts and rewards, a model and TRL's GRPOTrainer put together."""

from typing import Any

from tenyson.errors import TaskError
from tenyson.jobs._libraries import quiet
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import context_length
from tenyson.jobs.data._data import call_hook, facts_of
from tenyson.jobs.data._prompts import Prompts, longest_prompt, require_a_full_round, rl_prompts
from tenyson.jobs.models._models import load_tokenizer, locate_model
from tenyson.jobs.models._trained_model import model_to_train
from tenyson.jobs.sampling._engines import (
    check_engine,
    count_parameters,
    engine_of,
    sample_with,
    starting,
)
from tenyson.jobs.sampling._generations import GenerationRecorder
from tenyson.jobs.sampling._rewards import checked_rewards
from tenyson.jobs.sampling._sampling import SamplingTrainer
from tenyson.jobs.sampling._stage import Stage, stage_of
from tenyson.jobs.sampling.engines import Choice, Need, longest_sequence
from tenyson.jobs.sampling.zero_variance import FilterCounts
from tenyson.jobs.training._arguments import fit_to_model, rl_arguments
from tenyson.jobs.training._training import train as train_to_the_end
from tenyson.seeding import seed_everything
from tenyson.telemetry.callbacks import GRPOEpochTelemetryCallback


def train(context: RunContext) -> None:
    """Trains on the task's rewards; `context.result` holds the outcome."""
    quiet()
    context.options.stop.check()  # the libraries' import takes long
    check_engine(context, Need.RL)
    config = context.config
    seed_everything(config.training.seed)
    source = locate_model(context)
    tokenizer = load_tokenizer(config, source)
    prompts = rl_prompts(context)
    rewards = call_hook(context, "get_reward_funcs", context.plain_config, tokenizer)
    weights = reward_weights_of(context)
    arguments = rl_arguments(context)
    require_a_full_round(prompts.rows, arguments)
    model, adapter = model_to_train(context, source)
    fit_to_model(arguments, model)
    arguments.reward_weights = weights
    choice, stage = _engine_and_stage(context, prompts, tokenizer, model, arguments)
    recorder, checked = _recorded_rewards(context, rewards, weights, arguments.num_generations)
    counts = FilterCounts()

    def make_trainer(callbacks: list[Any]) -> Any:
        with starting(choice, config):
            trainer = SamplingTrainer(
                model=model,
                reward_funcs=checked,
                args=arguments,
                train_dataset=prompts.rows,
                processing_class=tokenizer,
                callbacks=callbacks,
                rl=config.rl,
                stage=stage,
                counts=counts,
                recorder=recorder,
            )
        trainer.sampling_batch_size = config.rl.sampling_batch_size
        return trainer

    try:
        train_to_the_end(
            context,
            make_trainer,
            source=source,
            datasets={"train": facts_of(prompts.rows)},
            adapter=adapter,
            callbacks=[GRPOEpochTelemetryCallback(context.record.telemetry)],
        )
    finally:
        for warning in counts.warnings(config.rl.max_extra_rounds):
            context.warn(warning)


def _engine_and_stage(
    context: RunContext, prompts: Prompts, tokenizer: Any, model: Any, arguments: Any
) -> tuple[Choice, Stage | None]:
    """Returns what samples, and where it plays; in it an answer has room after every prompt."""
    config = context.config
    choice = engine_of(context, Need.RL, count_parameters(model))
    sample_with(choice, arguments, config)
    engine_length = config.vllm.max_model_length if choice.is_vllm else None
    most = longest_sequence(context_length(model.config), engine_length)
    stage = stage_of(context, prompts.environment, most)
    longest_prompt(context, prompts, tokenizer, model.config, engine_length)
    return choice, stage


def _recorded_rewards(
    context: RunContext, rewards: Any, weights: list[float] | None, num_generations: int
) -> tuple[GenerationRecorder, list[Any]]:
    """Returns the reward functions under watch, and what records each of their rounds."""
    recorder = GenerationRecorder(
        context.record.telemetry, num_generations, weights, ranks=context.ranks
    )
    seconds = context.config.rl.reward_timeout_seconds
    return recorder, checked_rewards(rewards, recorder, weights, timeout_seconds=seconds)


def reward_weights_of(context: RunContext) -> list[float] | None:
    """The configuration's weights, else the task's; None weighs all as 1."""
    if context.config.rl.reward_weights is not None:
        return list(context.config.rl.reward_weights)
    weights = call_hook(context, "get_reward_weights", context.plain_config)
    if weights is None:
        return None
    try:
        return [float(weight) for weight in weights]
    except (TypeError, ValueError) as error:
        raise TaskError(
            f"get_reward_weights returned {weights!r}; expected one number per reward function."
        ) from error
