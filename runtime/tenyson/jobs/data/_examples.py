"""What a task's SFT rows must hold, looked at before the first of them is tokenised.

TRL would fail on a bad row with a trace from inside `Dataset.map`, or train on the word "None".
"""

from collections.abc import Iterator
from typing import Any

from datasets import Dataset

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.jobs.data._data import require_columns

USABLE_COLUMNS = (("prompt", "completion"), ("messages",), ("text",), ("input_ids",))
_ROWS_AT_ONCE = 1_000


def check_examples(dataset: Dataset, hook: str, tokenizer: Any) -> None:
    """Refuses rows that no form of SFT data allows.

    Args:
        dataset: The rows.
        hook: Where they come from, for the message.
        tokenizer: Asked for its chat template where rows are conversations.

    Raises:
        TaskError: Columns are missing, or a value is; names hook, row and column.
        ConfigError: The rows are conversations, and the tokenizer has no chat template.
    """
    require_columns(dataset, hook, *USABLE_COLUMNS)
    columns = next(c for c in USABLE_COLUMNS if set(c) <= set(dataset.column_names))
    is_conversational = False
    for index, row in _rows(dataset.select_columns(list(columns))):
        for column in columns:
            where = f"row {index} of {hook}, column {column}"
            is_conversational |= _check_value(row[column], column, where)
    if is_conversational and not tokenizer.chat_template:
        raise ConfigError(
            [
                Problem(
                    "model.name", f"{hook} returns conversations; this tokenizer has no template"
                )
            ],
            hint="Use a chat model, set the tokenizer's chat_template, or return "
            "prompt/completion or text.",
        )


def _rows(dataset: Dataset) -> Iterator[tuple[int, dict[str, Any]]]:
    for start in range(0, len(dataset), _ROWS_AT_ONCE):
        end = min(start + _ROWS_AT_ONCE, len(dataset))
        yield from enumerate(dataset.select(range(start, end)).to_list(), start)


def _check_value(value: Any, column: str, where: str) -> bool:
    """Whether the value is a conversation; refuses what is neither that nor what `column` holds."""
    if column == "input_ids":
        if not isinstance(value, list) or not all(isinstance(i, int) for i in value):
            raise _bad(where, "a list of token ids", value)
        return False
    if isinstance(value, str) and column != "messages":
        return False
    expected = "a list of messages" if column == "messages" else "text or a list of messages"
    if not isinstance(value, list) or not all(isinstance(m, dict) for m in value):
        raise _bad(where, expected, value)
    if not value:
        raise _bad(where, "at least one message", value)
    for place, message in enumerate(value):
        _check_message(message, f"{where}, message {place}")
    return True


def _check_message(message: dict[str, Any], where: str) -> None:
    if not isinstance(message.get("role"), str) or not message["role"]:
        raise _bad(where, "a role (system, user, assistant or tool)", message)
    content = message.get("content")
    calls_a_tool = bool(message.get("tool_calls"))
    if not isinstance(content, str | list) and not (content is None and calls_a_tool):
        raise _bad(f"{where} ({message['role']})", "content that is text", message)


def _bad(where: str, expected: str, found: Any) -> TaskError:
    shown = repr(found)
    return TaskError(
        f"In {where}: expected {expected}, found "
        f"{shown if len(shown) <= 120 else shown[:119] + '…'} ({type(found).__name__}).",
        hint="Leave such rows out in the hook, or give them a value.",
    )
