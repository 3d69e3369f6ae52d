"""RL: a task's prompts and rewards, a model and TRL's GRPOTrainer put together."""

from typing import Any

from tenyson.errors import TaskError
from tenyson.jobs._libraries import quiet
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import context_length, require_room_to_answer
from tenyson.jobs.data._data import call_hook, facts_of
from tenyson.jobs.data._prompts import require_a_full_round, rl_prompts, with_prompts
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
from tenyson.jobs.sampling._stage import environment_of, stage_of
from tenyson.jobs.sampling.engines import Need, longest_sequence
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
    environment = environment_of(context)
    prompts = rl_prompts(context, environment)
    rewards = call_hook(context, "get_reward_funcs", context.plain_config, tokenizer)
    weights = reward_weights_of(context)
    arguments = rl_arguments(context)
    require_a_full_round(prompts, arguments)
    model, adapter = model_to_train(context, source)
    fit_to_model(arguments, model)
    arguments.reward_weights = weights
    choice = engine_of(context, Need.RL, count_parameters(model))
    sample_with(choice, arguments, config)
    engine_length = config.vllm.max_model_length if choice.is_vllm else None
    most = longest_sequence(context_length(model.config), engine_length)
    stage = stage_of(context, environment, most)
    require_room_to_answer(
        with_prompts(prompts, environment),
        "get_rl_dataset" if environment is None else "make_env",
        tokenizer,
        model.config,
        arguments.max_completion_length,
        engine_length=engine_length,
    )
    telemetry = context.record.telemetry
    recorder = GenerationRecorder(
        telemetry, arguments.num_generations, weights, ranks=context.ranks
    )
    checked = checked_rewards(
        rewards, recorder, weights, timeout_seconds=config.rl.reward_timeout_seconds
    )
    counts = FilterCounts()

    def make_trainer(callbacks: list[Any]) -> Any:
        with starting(choice, config):
            trainer = SamplingTrainer(
                model=model,
                reward_funcs=checked,
                args=arguments,
                train_dataset=prompts,
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
            datasets={"train": facts_of(prompts)},
            adapter=adapter,
            callbacks=[GRPOEpochTelemetryCallback(telemetry)],
        )
    finally:
        for warning in counts.warnings(config.rl.max_extra_rounds):
            context.warn(warning)


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
