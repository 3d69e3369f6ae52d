"""Generation with vLLM: a base model and LoRA adapters in one start.

Every completion is a request of its own with its own seed, so that it does not hang on what runs
beside it. The engine is stepped from here instead of by `LLM.generate`: rows come out as they
finish, and a stop is seen between two tokens.
"""

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenyson.errors import CheckpointError
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
from tenyson.evaluation.engines.vllm_start import EngineSettings, ServedAdapter, start

_YIELD_SECONDS = 1.0
"""Rows that finish within this time come out together: each time costs the log a sync."""


class VLLMEngine:
    """vLLM in this process."""

    name = "vllm"

    def __init__(
        self,
        source: str,
        tokenizer: Any,
        *,
        adapters: Mapping[str, ServedAdapter] | None = None,
        settings: EngineSettings | None = None,
        has_gpu: bool = False,
    ) -> None:
        """Starts vLLM, which takes half a minute.

        Args:
            source: Hub name or folder of the base model.
            tokenizer: Its own; it turns tokens into text, vLLM needs none.
            adapters: By name.
            settings: Of the engine.
            has_gpu: Whether it runs on one.

        Raises:
            CheckpointError: An adapter has tensors that vLLM has no place for.
        """
        self._adapters = dict(adapters or {})
        self._ids = itertools.count()
        self._llm = start(source, self._adapters, settings or EngineSettings(), has_gpu)
        self._engine = self._llm.llm_engine
        generation = self._engine.model_config.try_get_generation_config()
        eos = generation.get("eos_token_id") if generation else None
        self._tokens = Tokens(tokenizer, stop_token_ids(_Declared(eos), tokenizer))
        for name, adapter in self._adapters.items():
            self.put_adapter(name, adapter)

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        model: str,
        *,
        done: Collection[str] = (),
        check_stop: Callable[[], None] = lambda: None,
    ) -> Iterator[dict[str, list[Completion]]]:
        """Yields rows about once a second, as they finish; see `Engine.generate`."""
        draws = sampling.draws
        missing = {request.key: request for request in requests if request.key not in done}
        answers: dict[str, dict[int, Completion]] = {key: {} for key in missing}
        places: dict[str, tuple[str, int]] = {}
        for key, request in missing.items():
            for place, draw in enumerate(draws):
                params = self._params(sampling, key, draw)
                places[self._add(request.ids, params, model)] = (key, place)
        finished: dict[str, list[Completion]] = {}
        yielded = time.monotonic()
        try:
            while places:
                check_stop()
                for output in self._engine.step():
                    if not output.finished:
                        continue
                    key, place = places.pop(output.request_id)
                    answers[key][place] = self._tokens.completion(output.outputs[0].token_ids)
                    if len(answers[key]) == len(draws):
                        finished[key] = [answers[key][i] for i in range(len(draws))]
                if finished and (not places or time.monotonic() - yielded > _YIELD_SECONDS):
                    yield finished
                    finished, yielded = {}, time.monotonic()
        finally:
            if places:
                self._engine.abort_request(list(places))

    def first_log_probs(self, prompts: Sequence[Sequence[int]], model: str) -> list[LogProbs]:
        """Returns the likeliest first tokens; see `Engine.first_log_probs`."""
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        params = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprobs=PROBED_TOKENS,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        waiting = [self._add(tuple(ids), params, model) for ids in prompts]
        found: dict[str, LogProbs] = {}
        while len(found) < len(waiting):
            for output in self._engine.step():
                if output.finished:
                    first = output.outputs[0].logprobs[0]
                    found[output.request_id] = {token: lp.logprob for token, lp in first.items()}
        return [found[name] for name in waiting]

    def put_adapter(self, name: str, adapter: ServedAdapter) -> None:
        """Loads an adapter, in place of what had its name.

        Raises:
            CheckpointError: It has modules that vLLM has no place for.
        """
        self._adapters[name] = adapter
        try:
            self._engine.add_lora(self._lora(name))
        except (ValueError, RuntimeError, OSError) as error:
            raise CheckpointError(
                f"vLLM cannot serve the adapter in {adapter.folder}: {error}",
                hint="Use the adapter's own base model, or evaluation.engine: hf.",
            ) from error
        for found in self._llm.collective_rpc(
            "unmatched_modules", args=(adapter.number, str(adapter.folder))
        ):
            if found:
                raise CheckpointError(
                    f"The adapter in {adapter.folder} does not fit the model: {len(found)} of its "
                    f"modules have no match in vLLM, {found[0]} for one.",
                    hint="Use the base model that the adapter was trained on.",
                )

    def close(self) -> None:
        """Ends vLLM and gives its memory back."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self._engine.engine_core.shutdown()
        del self._llm, self._engine
        cleanup_dist_env_and_memory()

    def _add(self, ids: Sequence[int], params: Any, model: str) -> str:
        name = str(next(self._ids))
        self._engine.add_request(
            name,
            self._llm.renderer.render_cmpl([{"prompt_token_ids": list(ids)}])[0],
            params,
            lora_request=None if model == BASE else self._lora(model),
        )
        return name

    def _lora(self, name: str) -> Any:
        from vllm.lora.request import LoRARequest

        adapter = self._adapters[name]
        # The name, too, must follow from the weights: cached prefixes are found by it.
        return LoRARequest(adapter.sha256, adapter.number, str(adapter.folder))

    def _params(self, sampling: Sampling, key: str, draw: Draw) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        return SamplingParams(
            max_tokens=sampling.max_new_tokens,
            temperature=draw.temperature,
            top_p=1.0 if draw.is_greedy else sampling.top_p,
            top_k=0 if draw.is_greedy else sampling.top_k,
            seed=None if draw.is_greedy else sampling.seed_of(key, draw),
            stop_token_ids=list(self._tokens.stops),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )


@dataclass(frozen=True)
class _Declared:
    """What a model's generation_config.json says of its end."""

    eos_token_id: int | list[int] | None
