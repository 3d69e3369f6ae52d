"""Whether the prompts of an RL run can be sampled from: there are enough, and answers have room."""

from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from tenyson.errors import TaskError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import require_room_to_answer
from tenyson.jobs.data._data import dataset_of, require_columns
from tenyson.jobs.data.named import origin_of
from tenyson.jobs.sampling._episodes import reset
from tenyson.jobs.sampling._stage import environment_of


@dataclass(frozen=True)
class Prompts:
    """What an RL run samples from."""

    rows: Dataset
    """With a prompt each, unless there is an environment to ask."""
    environment: Any
    """One of the task's; None where each prompt gets one answer."""


def rl_prompts(context: RunContext) -> Prompts:
    """Returns the task's rows.

    Raises:
        TaskError: There are no rows, or they have no prompt.
    """
    environment = environment_of(context)
    rows = dataset_of(context, "get_rl_dataset", context.plain_config)
    if environment is None:
        require_columns(rows, origin_of(context, "get_rl_dataset"), ("prompt",))
    return Prompts(rows, environment)


def longest_prompt(
    context: RunContext,
    prompts: Prompts,
    tokenizer: Any,
    model_config: Any,
    engine_length: int | None,
) -> int:
    """Returns the tokens of the longest prompt, after which a whole completion has room.

    Args:
        context: The attempt.
        prompts: What is sampled from.
        tokenizer: The model's.
        model_config: Of transformers.
        engine_length: Tokens that the engine takes, `vllm.max_model_length`; None has no bound.

    Raises:
        ConfigError: A completion does not fit, or the model does not know a token.
        TaskError: A prompt cannot be tokenised.
    """
    rows, hook = prompts.rows, "get_rl_dataset"
    if prompts.environment is not None:
        told = [{"prompt": reset(prompts.environment, row)} for row in prompts.rows]
        rows, hook = Dataset.from_list(told), "make_env"
    return require_room_to_answer(
        rows,
        hook,
        tokenizer,
        model_config,
        context.config.rl.max_completion_length,
        engine_length=engine_length,
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
