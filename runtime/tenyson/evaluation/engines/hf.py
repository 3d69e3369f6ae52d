"""Generation with Hugging Face transformers, on a CPU or a GPU.

All completions of a prompt are in one batch, greedy and sampled ones together. Prompts of like
length share a batch, the longest first: if memory runs out, it does so at once.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList

from tenyson.evaluation.completions import (
    BASE,
    Completion,
    Draw,
    Request,
    Sampling,
    Tokens,
    stop_token_ids,
)
from tenyson.evaluation.engines.engine import PROBED_TOKENS, LogProbs
from tenyson.evaluation.sampler import SeededSampler

LOG = logging.getLogger("tenyson.evaluation")


class HFEngine:
    """A model in this process, with PEFT's adapters on it."""

    name = "hf"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        adapters: Mapping[str, str] | None = None,
        batch_size: int = 64,
    ) -> None:
        """Takes the model on its device, and leaves it in evaluation mode.

        Args:
            model: A causal language model, or a PeftModel over one.
            tokenizer: Its own, with a padding token.
            adapters: By name, what PEFT calls them; names of PEFT's may hold no dot.
            batch_size: Completions at a time.
        """
        self._model = model.eval()
        self._adapters = dict(adapters or {})
        self._batch_size = batch_size
        self._at_once = batch_size  # less where memory does not do
        # Generation runs on the model below PEFT's wrapper: what is switched is in its layers.
        self._causal = model.get_base_model() if self._adapters else model
        self._pad = tokenizer.pad_token_id
        self._tokens = Tokens(tokenizer, stop_token_ids(self._causal.generation_config, tokenizer))
        # generate() fills every unset option from the model's own file, a repetition penalty for
        # one. What an evaluation does is what its configuration says.
        self._causal.generation_config = GenerationConfig(
            do_sample=False,
            pad_token_id=self._pad,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=list(self._tokens.stops),
            disable_compile=True,
        )

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        model: str,
        *,
        done: Collection[str] = (),
        check_stop: Callable[[], None] = lambda: None,
    ) -> Iterator[dict[str, list[Completion]]]:
        """Yields a batch's completions at a time; see `Engine.generate`."""
        draws = sampling.draws
        width = min(len(draws), self._batch_size)
        for batch in _batches(requests, max(1, self._batch_size // width)):
            missing = [request for request in batch if request.key not in done]
            if not missing:
                continue
            found: dict[str, list[Completion]] = {request.key: [] for request in missing}
            for start in range(0, len(draws), width):
                asked = [(r, draw) for r in missing for draw in draws[start : start + width]]
                with self._using(model):
                    answers = self._complete_as_fits(asked, sampling, check_stop)
                for (request, _), completion in zip(asked, answers, strict=True):
                    found[request.key].append(completion)
            yield found

    def first_log_probs(self, prompts: Sequence[Sequence[int]], model: str) -> list[LogProbs]:
        """Returns the likeliest first tokens; see `Engine.first_log_probs`."""
        inputs, mask = self._padded(prompts)
        positions = (mask.cumsum(-1) - 1).clamp_min(0)
        with self._using(model), torch.inference_mode():
            logits = self._causal(
                input_ids=inputs, attention_mask=mask, position_ids=positions, use_cache=False
            ).logits[:, -1]
        log_probs = torch.log_softmax(logits.float(), dim=-1)
        values, ids = log_probs.topk(min(PROBED_TOKENS, log_probs.shape[-1]), dim=-1)
        return [
            dict(zip(row.tolist(), value.tolist(), strict=True))
            for row, value in zip(ids, values, strict=True)
        ]

    def close(self) -> None:
        """Frees nothing: the model belongs to whoever loaded it."""

    def _using(self, model: str) -> AbstractContextManager[Any]:
        """Switches to a model until the end of the `with`."""
        if model != BASE:
            self._model.set_adapter(self._adapters[model], inference_mode=True)
            return nullcontext()
        context: AbstractContextManager[Any] = (
            self._model.disable_adapter() if self._adapters else nullcontext()
        )
        return context

    def _complete_as_fits(
        self,
        asked: Sequence[tuple[Request, Draw]],
        sampling: Sampling,
        check_stop: Callable[[], None],
    ) -> list[Completion]:
        """Returns the completions, in parts where memory does not do for all at once."""
        answers: list[Completion] = []
        while len(answers) < len(asked):
            part = asked[len(answers) : len(answers) + self._at_once]
            try:
                answers += self._complete(part, sampling, check_stop)
            except (MemoryError, RuntimeError) as error:  # torch's is a RuntimeError
                if len(part) == 1 or not _is_out_of_memory(error):
                    raise
                self._at_once = len(part) // 2
                LOG.warning(
                    "Out of memory with %d completions at a time; going on with %d. Set "
                    "evaluation.batch_size: %d to start with so many.",
                    *(len(part), self._at_once, self._at_once),
                )
                torch.cuda.empty_cache()
        return answers

    @torch.inference_mode()
    def _complete(
        self,
        asked: Sequence[tuple[Request, Draw]],
        sampling: Sampling,
        check_stop: Callable[[], None],
    ) -> list[Completion]:
        inputs, mask = self._padded([request.ids for request, _ in asked])
        seeds = [None if d.is_greedy else sampling.seed_of(r.key, d) for r, d in asked]
        sampler = SeededSampler(sampling, seeds, inputs.device, check_stop)
        output = self._causal.generate(
            inputs,
            attention_mask=mask,
            max_new_tokens=sampling.max_new_tokens,
            logits_processor=LogitsProcessorList([sampler]),
        )
        return [self._tokens.completion(row) for row in output[:, inputs.shape[1] :].tolist()]

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns `(B, T)` token ids with padding on the left, and the mask that leaves it out."""
        width = max(len(ids) for ids in prompts)
        device = self._causal.device
        inputs = [[self._pad] * (width - len(ids)) + list(ids) for ids in prompts]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
        return torch.tensor(inputs, device=device), torch.tensor(mask, device=device)


def _batches(requests: Sequence[Request], size: int) -> Iterator[list[Request]]:
    """Yields requests of like length together, the longest first."""
    ordered = sorted(requests, key=lambda request: len(request.ids), reverse=True)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _is_out_of_memory(error: BaseException) -> bool:
    is_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return is_of_memory or "not enough memory" in str(error)
