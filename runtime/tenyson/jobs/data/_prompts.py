"""Whether the prompts of an RL run can be sampled from: there are any, and enough of them."""

from typing import Any

from datasets import Dataset

from tenyson.errors import TaskError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import dataset_of, require_columns
from tenyson.jobs.data.named import origin_of
from tenyson.jobs.sampling._episodes import reset


def rl_prompts(context: RunContext, environment: Any) -> Dataset:
    """Returns the task's rows; the prompts are in them unless there is an environment to ask.

    Raises:
        TaskError: There are no rows, or they have no prompt.
    """
    prompts = dataset_of(context, "get_rl_dataset", context.plain_config)
    if environment is None:
        require_columns(prompts, origin_of(context, "get_rl_dataset"), ("prompt",))
    return prompts


def with_prompts(prompts: Dataset, environment: Any) -> Dataset:
    """Returns the rows' prompts, those that the environment gives where there is one."""
    if environment is None:
        return prompts
    return Dataset.from_list([{"prompt": reset(environment, row)} for row in prompts])


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
