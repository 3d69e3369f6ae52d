"""From a task's prompts to tokens, and whether they fit into the context."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenyson.errors import TaskError
from tenyson.evaluation.completions import Request

_NAMED_ROWS = 3
"""Rows that a message names."""


@dataclass(frozen=True)
class Prepared:
    """The prompts of an evaluation as an engine takes them."""

    requests: list[Request]
    truncated: int = 0
    """How many lost their beginning."""
    ended: int = 0
    """How many end with the tokenizer's end-of-text token: models tend to say nothing after it."""


def prepare_prompts(
    tokenizer: Any,
    keys: Sequence[str],
    prompts: Sequence[Any],
    *,
    context_length: int | None,
    max_new_tokens: int,
    truncate: bool,
) -> Prepared:
    """Returns the prompts' tokens, each with room for its completion.

    Args:
        tokenizer: The model's.
        keys: Ids of the rows.
        prompts: Texts, or lists of chat messages.
        context_length: Tokens that the model can look at; None where it does not say.
        max_new_tokens: Of a completion.
        truncate: Whether one that is too long loses its beginning.

    Raises:
        TaskError: A prompt is no prompt, is empty, or is too long and may not be cut.
    """
    requests = [
        Request(key, tuple(_ids(tokenizer, key, prompt)))
        for key, prompt in zip(keys, prompts, strict=True)
    ]
    ended = sum(
        isinstance(prompt, str) and request.ids[-1] == tokenizer.eos_token_id
        for request, prompt in zip(requests, prompts, strict=True)
    )
    if context_length is None:
        return Prepared(requests, ended=ended)
    room = context_length - max_new_tokens
    long = [request for request in requests if len(request.ids) > room]
    if long and (not truncate or room < 1):
        raise _too_long(long, context_length, max_new_tokens)
    kept = [Request(r.key, r.ids[-room:]) if len(r.ids) > room else r for r in requests]
    return Prepared(kept, len(long), ended)


def prompt_ids(tokenizer: Any, prompt: Any) -> list[int]:
    """Returns a prompt's token ids as TRL's trainers make them: same text, same ids."""
    if isinstance(prompt, str):
        return list(tokenizer(text=prompt)["input_ids"])
    encoded = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, tokenize=True, return_dict=True
    )
    return list(encoded["input_ids"])


def _ids(tokenizer: Any, key: str, prompt: Any) -> list[int]:
    is_chat = isinstance(prompt, list) and all(isinstance(turn, dict) for turn in prompt)
    if not isinstance(prompt, str) and not (is_chat and prompt):
        raise TaskError(
            f"The prompt of row {key!r} is {_shown(prompt)}; expected a text, or a list of "
            "messages with role and content.",
            hint="Mend it in get_eval_dataset.",
        )
    if is_chat and not tokenizer.chat_template:
        raise TaskError(
            f"The prompt of row {key!r} is a list of messages, and the model's tokenizer has no "
            "chat template.",
            hint="Use an instruction-tuned model, or return prompts as texts.",
        )
    try:
        ids = prompt_ids(tokenizer, prompt)
    except Exception as error:  # templates are programs; they raise what they like
        raise TaskError(
            f"The prompt of row {key!r} cannot be turned into tokens: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not ids:
        raise TaskError(
            f"The prompt of row {key!r} is empty: it has no token to go on from.",
            hint="Leave such rows out in get_eval_dataset.",
        )
    return ids


def _too_long(long: list[Request], context_length: int, max_new_tokens: int) -> TaskError:
    longest = sorted(long, key=lambda request: len(request.ids), reverse=True)[:_NAMED_ROWS]
    named = ", ".join(f"{r.key!r} has {len(r.ids)} tokens" for r in longest)
    more = f" and {len(long) - len(longest)} more" if len(long) > len(longest) else ""
    return TaskError(
        f"{len(long)} prompt{'s leave' if len(long) > 1 else ' leaves'} no room for "
        f"evaluation.max_new_tokens = {max_new_tokens} in the model's context of {context_length} "
        f"tokens: row {named}{more}.",
        hint="Lower evaluation.max_new_tokens, shorten the prompts, or set "
        "evaluation.truncate_prompts: true to cut off their beginnings.",
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
