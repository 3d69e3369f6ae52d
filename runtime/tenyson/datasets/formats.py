"""Rows in the forms that trainers read: `tunix_sft`, `prompt_completion`, `messages`, `jsonl`.

A row that has no such form is refused with its id, and so is a text that would end a turn of the
Gemma template before its time. Nothing is guessed, nothing cut.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tenyson.datasets.errors import DatasetError

Row = Mapping[str, Any]
Messages = list[dict[str, Any]]
_GEMMA_ROLES = {"user": "user", "assistant": "model", "model": "model"}
_TURN_MARKS = ("<start_of_turn>", "<end_of_turn>")
_SHOWN_APART = ("id", "prompt", "completion", "messages", "final_answer", "metadata")


def tunix_sft(row: Row) -> dict[str, Any]:
    """Returns `id`, `prompts` (the conversation in Gemma's template), `final_answer`, `metadata`.

    `final_answer` is the row's own, else its `expected_answer`, else the answer's whole text. The
    row's other fields go into `metadata`.

    Source: the Gemma chat template, https://ai.google.dev/gemma/docs/core/prompt-structure
    """
    messages = _conversation(row, "tunix_sft")
    answer = next((row[n] for n in ("final_answer", "expected_answer") if n in row), None)
    others = {name: value for name, value in row.items() if name not in _SHOWN_APART}
    metadata = row.get("metadata")
    if not isinstance(metadata, Mapping):
        others, metadata = others | ({} if metadata is None else {"metadata": metadata}), {}
    return {
        "id": row["id"],
        "prompts": gemma_text(messages, row["id"]),
        "final_answer": messages[-1]["content"] if answer is None else answer,
        "metadata": {**others, **metadata},
    }


def prompt_completion(row: Row) -> dict[str, Any]:
    """Returns `id`, `prompt`, `completion`; of a conversation the last turn is the completion."""
    if "completion" in row and "prompt" in row:
        return {"id": row["id"], "prompt": row["prompt"], "completion": row["completion"]}
    messages = _conversation(row, "prompt_completion")
    return {"id": row["id"], "prompt": messages[:-1], "completion": messages[-1:]}


def messages(row: Row) -> dict[str, Any]:
    """Returns `id` and `messages`; a plain prompt is the user's turn, a completion the model's."""
    return {"id": row["id"], "messages": _conversation(row, "messages")}


FORMATS: dict[str, Callable[[Row], dict[str, Any]]] = {
    "tunix_sft": tunix_sft,
    "prompt_completion": prompt_completion,
    "messages": messages,
    "jsonl": dict,
}
"""By name, what makes a row of the data set one of the export; `jsonl` leaves it as it is."""


def gemma_text(messages: Messages, row_id: Any) -> str:
    """Returns a conversation as Gemma's template has it, without the mark of a text's begin.

    Gemma knows no system's turn: its text stands before the first user's.
    """
    turns: list[tuple[str, str]] = []
    system = ""
    for place, message in enumerate(messages):
        role, text = message.get("role"), _text_of(message, row_id)
        if role in ("system", "developer") and place == 0:
            system = f"{text}\n\n"
            continue
        if role not in _GEMMA_ROLES:
            raise _no_form(row_id, "tunix_sft", f"Gemma's template has no turn of {role!r}")
        wanted = ("user", "model")[len(turns) % 2]
        if _GEMMA_ROLES[str(role)] != wanted:
            raise _no_form(
                row_id, "tunix_sft", "its turns are not the user's and the model's by turns"
            )
        turns.append((wanted, f"{system}{text}"))
        system = ""
    if len(turns) % 2:
        raise _no_form(row_id, "tunix_sft", "its last turn is not the model's")
    return "\n".join(f"<start_of_turn>{role}\n{text}<end_of_turn>" for role, text in turns)


def _conversation(row: Row, form: str) -> Messages:
    """Returns the row's turns, those of its prompt and completion where it has no `messages`."""
    if (found := row.get("messages")) is not None:
        turns = _as_turns(found, "user")
    elif "prompt" in row and "completion" in row:
        turns = _as_turns(row["prompt"], "user") + _as_turns(row["completion"], "assistant")
    else:
        raise _no_form(row["id"], form, "it has neither messages nor prompt and completion")
    if len(turns) < 2:
        raise _no_form(row["id"], form, "it has no question and answer")
    return turns


def _as_turns(value: Any, role: str) -> Messages:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list) and all(isinstance(turn, dict) for turn in value):
        return value
    return []


def _text_of(message: Mapping[str, Any], row_id: Any) -> str:
    text = message.get("content")
    if not isinstance(text, str) or message.get("tool_calls"):
        raise _no_form(row_id, "tunix_sft", "a turn is more than text")
    if mark := next((mark for mark in _TURN_MARKS if mark in text), None):
        raise _no_form(row_id, "tunix_sft", f"a turn's text holds {mark}, which would end it")
    return text


def _no_form(row_id: Any, form: str, why: str) -> DatasetError:
    return DatasetError(
        f"Row {row_id!r} has no form {form}: {why}.",
        hint="Choose another --format, or build a version without such rows.",
    )
