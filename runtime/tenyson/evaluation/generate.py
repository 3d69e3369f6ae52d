"""Batched generation with Hugging Face transformers, greedy or sampled, seeded.

Prompts are sorted by length to waste little padding; completions come back in the prompts' order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from tenyson.seeding import derive_seed


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn."""

    max_new_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps every token."""
    num_samples: int = 1
    """Completions per prompt."""
    seed: int = 42


@dataclass(frozen=True)
class Completion:
    """One answer of the model."""

    text: str
    tokens: int
    """Tokens generated, without the one that ended it."""
    is_truncated: bool
    """Whether it was cut at `max_new_tokens`."""


def generate(
    model: Any,
    tokenizer: Any,
    prompts: list[Any],
    sampling: Sampling,
    *,
    batch_size: int,
    on_batch: Callable[[int], None] = lambda done: None,
) -> list[list[Completion]]:
    """Returns `num_samples` completions for every prompt, in the prompts' order.

    Args:
        model: On its device; left in evaluation mode.
        tokenizer: Its own, with a padding token.
        prompts: Texts, or lists of chat messages.
        sampling: How to draw.
        batch_size: Prompts at a time.
        on_batch: Called between batches with the prompts done; may raise to stop.
    """
    model.eval()
    ids = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    config = _generation_config(model, tokenizer, sampling)
    completions: list[list[Completion]] = [[] for _ in prompts]
    done = 0
    for indices in _batches(ids, batch_size):
        for sample in range(sampling.num_samples):
            # A seed for each batch and sample: nothing hangs on what was generated before.
            torch.manual_seed(derive_seed(sampling.seed, "eval", indices[0], sample))
            drawn = _complete(model, tokenizer, [ids[i] for i in indices], config)
            for index, completion in zip(indices, drawn, strict=True):
                completions[index].append(completion)
        done += len(indices)
        on_batch(done)
    return completions


def prompt_ids(tokenizer: Any, prompt: Any) -> list[int]:
    """Returns a prompt's token ids as TRL's trainers make them: same text, same ids."""
    if isinstance(prompt, str):
        return list(tokenizer(text=prompt)["input_ids"])
    encoded = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, tokenize=True, return_dict=True
    )
    return list(encoded["input_ids"])


def stop_token_ids(model: Any, tokenizer: Any) -> list[int]:
    """Returns every token that ends a completion: the model's own, and the tokenizer's."""
    declared = model.generation_config.eos_token_id
    ids = declared if isinstance(declared, list) else [] if declared is None else [declared]
    return sorted({*ids, tokenizer.eos_token_id})


def _generation_config(model: Any, tokenizer: Any, sampling: Sampling) -> Any:
    drawn = {}
    if sampling.temperature > 0:
        drawn = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
    return GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=sampling.temperature > 0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stop_token_ids(model, tokenizer),
        disable_compile=True,
        **drawn,
    )


def _batches(ids: list[list[int]], batch_size: int) -> Iterator[list[int]]:
    """Yields indices of prompts of like length, the longest first: memory runs out at once."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


@torch.inference_mode()
def _complete(
    model: Any, tokenizer: Any, prompts: list[list[int]], config: Any
) -> list[Completion]:
    width = max(1, *(len(ids) for ids in prompts))
    pad = tokenizer.pad_token_id
    device = model.device
    inputs = torch.tensor([[pad] * (width - len(i)) + i for i in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(i)) + [1] * len(i) for i in prompts], device=device)
    output = model.generate(inputs, attention_mask=mask, generation_config=config)
    stops = set(config.eos_token_id)
    return [_completion(tokenizer, row[width:].tolist(), stops) for row in output]


def _completion(tokenizer: Any, ids: list[int], stops: set[int]) -> Completion:
    end = next((i for i, token in enumerate(ids) if token in stops), None)
    kept = ids if end is None else ids[:end]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    return Completion(text, len(kept), is_truncated=end is None)
