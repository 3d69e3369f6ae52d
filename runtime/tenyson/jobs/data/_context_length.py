"""Whether rows fit the model's context: past it a model answers nonsense, without a word."""

from typing import Any

from datasets import Dataset

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.jobs.models._models import require_vocabulary

MEASURED_PROMPTS = 256
"""Prompts of which the tokens are counted: the longest by their bytes. A token is some bytes, in
scripts with many bytes a character, too; that a shorter prompt has more tokens is still possible
where there are more prompts than this."""


def context_length(model_config: Any) -> int | None:
    """Returns the most tokens that the model was made for; None where its config has no bound."""
    length = getattr(model_config.get_text_config(), "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None


def require_room(longest: int, max_length: int | None, model_config: Any) -> None:
    """Refuses examples that are longer than the context even where `data.max_length` cuts them.

    Args:
        longest: Tokens of the longest example, whole.
        max_length: `data.max_length`; None cuts nothing.
        model_config: Of transformers.

    Raises:
        ConfigError: Says both lengths.
    """
    context = context_length(model_config)
    kept = longest if max_length is None else min(longest, max_length)
    if context is not None and kept > context:
        cut = "" if max_length is None else f" (cut at data.max_length = {max_length})"
        raise ConfigError(
            [
                Problem(
                    "data.max_length",
                    f"the longest example has {kept} tokens{cut}, the model's context "
                    f"(max_position_embeddings) {context}",
                )
            ],
            hint=f"Set data.max_length: {context} to cut examples there, or shorten them.",
        )


def require_room_to_answer(
    prompts: Dataset,
    hook: str,
    tokenizer: Any,
    model_config: Any,
    max_completion_length: int,
    *,
    engine_length: int | None = None,
) -> int:
    """Returns the tokens of the longest prompt; a completion after it fits the context, too.

    Args:
        prompts: With a column `prompt`.
        hook: Where they come from, for messages.
        tokenizer: The model's.
        model_config: Of transformers.
        max_completion_length: Tokens of an answer.
        engine_length: Tokens that the engine takes, `vllm.max_model_length`; None has no bound.

    Raises:
        ConfigError: It does not fit, or the model does not know a token; says which row.
        TaskError: A prompt cannot be tokenised.
    """
    longest, row, largest_id = _longest(prompts, hook, tokenizer)
    require_vocabulary(model_config, tokenizer, largest_id)
    context, bound = context_length(model_config), "the model's context (max_position_embeddings)"
    if engine_length is not None and (context is None or engine_length < context):
        context, bound = engine_length, "the engine's length (vllm.max_model_length)"
    if context is not None and longest + max_completion_length > context:
        if longest >= context:
            raise TaskError(
                f"The prompt in row {row} of {hook} has {longest} tokens, {bound} {context}: "
                "there is no room for an answer.",
                hint="Shorten the prompts, or leave such rows out in the hook.",
            )
        raise ConfigError(
            [
                Problem(
                    "rl.max_completion_length",
                    f"the prompt in row {row} of {hook} has {longest} tokens, and with "
                    f"{max_completion_length} of a completion passes {bound} of {context}",
                )
            ],
            hint=f"Set it to {context - longest} at most, or shorten the prompts.",
        )
    return longest


def _longest(prompts: Dataset, hook: str, tokenizer: Any) -> tuple[int, int, int]:
    """Returns the longest prompt's tokens and row, and the largest id of those counted."""
    texts = [
        _text(prompt, tokenizer, f"row {i} of {hook}") for i, prompt in enumerate(prompts["prompt"])
    ]
    by_bytes = sorted(range(len(texts)), key=lambda i: -len(texts[i].encode()))[:MEASURED_PROMPTS]
    counted = tokenizer([texts[i] for i in by_bytes])["input_ids"]
    largest_id = max((token for ids in counted for token in ids), default=0)
    length, row = max((len(i), -row) for i, row in zip(counted, by_bytes, strict=True))
    return length, -row, largest_id


def _text(prompt: Any, tokenizer: Any, where: str) -> str:
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, list) or not all(isinstance(m, dict) for m in prompt):
        raise TaskError(
            f"In {where}, column prompt: expected text or a list of messages, found "
            f"{type(prompt).__name__}.",
            hint="Leave such rows out in the hook, or give them a value.",
        )
    try:
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    except Exception as error:
        raise TaskError(
            f"In {where}, column prompt: the chat template refuses it: {error}",
            hint="Give every message a role and content, in an order that the template allows.",
        ) from error
    return str(text)
