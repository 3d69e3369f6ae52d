"""A task's examples as tokens with labels, by TRL's own code, before anything is cut or packed.

TRL decides on packing before it has seen a token. Here the rows are tokenised first: then their
lengths are known, packing is decided, and TRL's trainer takes the prepared rows as they are.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.compute  # type: ignore[import-untyped]
from datasets import Dataset
from trl import SFTTrainer
from trl.chat_template_utils import get_training_chat_template, has_generation_markers
from trl.data_utils import is_conversational

from tenyson.errors import ConfigError, Problem, TaskError, TenysonError
from tenyson.jobs.models._model_errors import short


@dataclass(frozen=True)
class PreparedRows:
    """One data set, tokenised; `rows` has the columns `input_ids` and `labels`."""

    rows: Dataset
    lengths: np.ndarray[Any, np.dtype[np.int64]]
    """Tokens of each row, before it is cut at `data.max_length`."""
    largest_id: int
    """Of all tokens."""


def prepare(
    dataset: Dataset,
    hook: str,
    tokenizer: Any,
    arguments: Any,
    formatting_func: Callable[..., Any] | None,
) -> PreparedRows:
    """Returns the rows as tokens with labels, whole.

    Args:
        dataset: As the hook returned it.
        hook: For messages.
        tokenizer: Of the model.
        arguments: TRL's, of the run.
        formatting_func: Makes a row one text; None leaves rows to TRL.

    Raises:
        TaskError: A row cannot be rendered or tokenised, or there is no token at all.
        ConfigError: `data.assistant_only_loss` asks for what the data or the template has not.
    """
    if formatting_func is not None:
        dataset = _formatted(dataset, hook, formatting_func)
    rows = _tokenised(dataset, hook, tokenizer, arguments)
    ids = rows.with_format("arrow").select_columns(["input_ids"])[:]["input_ids"]
    lengths = pyarrow.compute.list_value_length(ids).to_numpy().astype(np.int64)
    if not lengths.sum():
        raise TaskError(f"The rows of {hook} hold not one token.", hint="Check their text.")
    largest = pyarrow.compute.max(pyarrow.compute.list_flatten(ids)).as_py()
    return PreparedRows(rows, lengths, int(largest))


def trains_completions_only(dataset: Dataset, arguments: Any) -> bool:
    """Whether prompts are left out of the loss, as TRL decides it."""
    if arguments.completion_only_loss is not None:
        return bool(arguments.completion_only_loss)
    return {"prompt", "completion"} <= set(dataset.column_names)


def _tokenised(dataset: Dataset, hook: str, tokenizer: Any, arguments: Any) -> Dataset:
    """Returns the rows as TRL tokenises them, neither cut nor shuffled."""
    whole = copy.copy(arguments)
    whole.max_length, whole.shuffle_dataset = None, False
    trainer = SimpleNamespace(  # what TRL's preparation reads of the trainer that it belongs to
        _tokenizer=tokenizer,
        chat_template=_template(dataset, tokenizer, arguments),
        completion_only_loss=trains_completions_only(dataset, arguments),
    )
    try:
        return SFTTrainer._prepare_dataset(trainer, dataset, tokenizer, whole, False, None, "train")
    except RuntimeError as error:
        if "assistant_only_loss" not in str(error):
            raise
        raise ConfigError(
            [
                Problem(
                    "data.assistant_only_loss",
                    f"an example of {hook} has no assistant turn that the chat template marks",
                )
            ],
            hint="Give every conversation an assistant's turn, or set it to false.",
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TaskError(
            f"A row of {hook} cannot be tokenised: {type(error).__name__}: {short(error)}",
            hint="A chat template may refuse an order of roles.",
        ) from error


def _formatted(dataset: Dataset, hook: str, formatting_func: Callable[..., Any]) -> Dataset:
    """Returns the rows as text alone.

    Where a row has a prompt, too, TRL would train on that and its completion, and drop the text.
    """

    def as_text(row: dict[str, Any], index: int) -> dict[str, str]:
        text = formatting_func(row)
        if not isinstance(text, str):
            raise TaskError(
                f"get_sft_formatting_func made {type(text).__name__} of row {index} of {hook}; "
                "expected text.",
                hint="It gets one row, a dict, and returns the text to train on.",
            )
        return {"text": text}

    try:
        return dataset.map(as_text, with_indices=True, remove_columns=dataset.column_names)
    except TenysonError:
        raise
    except Exception as error:
        raise TaskError(
            f"The function of get_sft_formatting_func raised {type(error).__name__}: "
            f"{short(error)}",
            hint=f"Its rows have the columns {', '.join(dataset.column_names)}.",
        ) from error


def _template(dataset: Dataset, tokenizer: Any, arguments: Any) -> str | None:
    """Returns a chat template that marks the assistant's turns; None for the tokenizer's own.

    Raises:
        ConfigError: The rows are no conversations, or no such template is known.
    """
    if not arguments.assistant_only_loss:
        return None
    if not is_conversational(dataset[0]):
        raise ConfigError(
            [Problem("data.assistant_only_loss", "the task's rows are no conversations")],
            hint="Return a messages column, or set it to false.",
        )
    if has_generation_markers(tokenizer.chat_template):
        return None
    try:
        return str(get_training_chat_template(tokenizer))
    except ValueError as error:
        raise ConfigError(
            [
                Problem(
                    "data.assistant_only_loss",
                    "the tokenizer's chat template does not mark the assistant's turns, and TRL "
                    "knows no training template for it",
                )
            ],
            hint="Put {% generation %} and {% endgeneration %} around the assistant's text in the "
            "chat template, or set it to false.",
        ) from error
