"""What an evaluation asks: the task's rows, each with a prompt and an id, and their tokens."""

from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.evaluation.prompts import Prepared, prepare_prompts
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import context_length
from tenyson.jobs.data._data import dataset_of, require_columns
from tenyson.jobs.data.named import origin_of
from tenyson.jobs.sampling._episodes import reset
from tenyson.jobs.sampling._stage import environment_of


@dataclass(frozen=True)
class AskedRows:
    """The rows of an evaluation, in the data set's order."""

    dataset: Dataset
    """As the task gave it, cut at `evaluation.max_prompts`."""
    environment: Any
    """One of the task's; None where each prompt gets one answer."""
    rows: list[dict[str, Any]]
    """With their prompts, those that the environment gives where there is one."""
    ids: list[Any]
    """What names each row."""


def asked_rows(context: RunContext) -> AskedRows:
    """Returns the rows of the task that are evaluated.

    Raises:
        ConfigError: Prompts are to be cut, and an environment brings them.
        TaskError: A hook returned something else than rows with prompts and ids of their own.
    """
    environment = environment_of(context)
    dataset = _dataset_of(context, environment)
    rows: list[dict[str, Any]] = dataset.to_list()
    if environment is not None:
        rows = [{**row, "prompt": reset(environment, row)} for row in rows]
    return AskedRows(dataset, environment, rows, _ids_of(rows))


def prepare_rows(
    context: RunContext, tokenizer: Any, model_config: Any, asked: AskedRows
) -> Prepared:
    """Returns the rows' prompts as tokens that leave room for an answer."""
    settings = context.config.evaluation
    prepared = prepare_prompts(
        tokenizer,
        [str(row_id) for row_id in asked.ids],
        [row["prompt"] for row in asked.rows],
        context_length=visible_tokens(context, model_config),
        max_new_tokens=settings.max_new_tokens,
        truncate=settings.truncate_prompts,
    )
    if prepared.truncated:
        context.warn(f"{prepared.truncated} prompts lost their beginning to fit the context.")
    if prepared.ended:
        context.warn(
            f"{prepared.ended} prompts end with the end-of-text token, after which a model has "
            "nothing to say; does the tokenizer add it (add_eos_token)?"
        )
    return prepared


def visible_tokens(context: RunContext, model_config: Any) -> int | None:
    """Returns the tokens that the model sees in the engine that is chosen; None knows no limit."""
    settings = context.config.evaluation
    is_vllm = context.engine.is_vllm if context.engine else settings.engine == "vllm"
    lengths = [
        context_length(model_config),
        context.config.vllm.max_model_length if is_vllm else None,
    ]
    return min((length for length in lengths if length), default=None)


def _dataset_of(context: RunContext, environment: Any) -> Dataset:
    if environment is not None and context.config.evaluation.truncate_prompts:
        problem = "cuts prompts, and the task's make_env plays episodes, whose prompts stay whole"
        raise ConfigError(
            [Problem("evaluation.truncate_prompts", problem)],
            hint="Leave it out, and let the environment give shorter prompts.",
        )
    dataset = dataset_of(context, "get_eval_dataset", context.plain_config)
    if environment is None:
        require_columns(dataset, origin_of(context, "get_eval_dataset"), ("prompt",))
    limit = context.config.evaluation.max_prompts
    return dataset if limit is None else dataset.select(range(min(limit, len(dataset))))


def _ids_of(rows: list[dict[str, Any]]) -> list[Any]:
    """Returns what names each row: its `id`, else its place.

    Raises:
        TaskError: Two rows have the same; a paired comparison would take one for the other.
    """
    ids = [row.get("id", place) for place, row in enumerate(rows)]
    seen: set[str] = set()
    for row_id in map(str, ids):
        if row_id in seen:
            raise TaskError(
                f"get_eval_dataset has two rows with the id {row_id!r}.",
                hint="Ids tell rows apart in comparisons of models; make them unique.",
            )
        seen.add(row_id)
    return ids
