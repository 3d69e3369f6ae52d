"""Eval: models answer the task's prompts, and the task scores the answers."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from tenyson.evaluation.completions import SAMPLED, Sampling
from tenyson.evaluation.engines.engine import Engine
from tenyson.evaluation.prompts import Prepared
from tenyson.evaluation.proof import prove_adapters
from tenyson.jobs._libraries import quiet
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import facts_of
from tenyson.jobs.evaluating._eval_answers import answer_all
from tenyson.jobs.evaluating._eval_episodes import EpisodeEngine
from tenyson.jobs.evaluating._eval_models import (
    EvaluatedModel,
    choose,
    locate_models,
    open_engine,
)
from tenyson.jobs.evaluating._eval_outputs import write_outputs
from tenyson.jobs.evaluating._eval_prompts import (
    AskedRows,
    asked_rows,
    prepare_rows,
    visible_tokens,
)
from tenyson.jobs.evaluating._eval_results import (
    AnswerSet,
    lower_is_better,
    score,
    telemetry_samples,
    write_results,
)
from tenyson.jobs.evaluating.answered_rows import ANSWERED_SHARE, AnsweredRows, answered_rows
from tenyson.jobs.models._models import load_model_config, load_tokenizer, locate_model
from tenyson.jobs.outcome._description import Ingredients, describe_run
from tenyson.jobs.sampling._stage import environment_of
from tenyson.manifest import LOWER_IS_BETTER
from tenyson.seeding import seed_everything


def evaluate(context: RunContext) -> None:
    """Evaluates on the task's prompts; `context.result` holds the outcome."""
    quiet()
    stop = context.options.stop
    stop.check()  # the libraries' import takes long
    seed_everything(context.config.evaluation.seed)
    asked = asked_rows(context)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    model_config = load_model_config(context.config, source)
    models = locate_models(context)
    choice = choose(context, source, model_config, models)
    prepared = prepare_rows(context, tokenizer, model_config, asked)
    context.result.adapter_sha256 = models[0].adapter_sha256
    stop.check()
    _describe(context, asked, source, model_config, tokenizer, models)
    length = _needed_length(context, prepared, model_config, asked.environment)
    engine = open_engine(context, choice, source, tokenizer, models, needed_length=length)
    if asked.environment is not None:
        engine = _with_episodes(engine, context, tokenizer, model_config, asked)
    stop.defer()  # from here on what is answered is kept, batch by batch
    with closing(engine):
        changes = _prove(context, engine, prepared, models)
        sampling = _sampling(context)
        found = answer_all(context, engine, models, prepared.requests, sampling)
        context.phases.turn_to("save")
        for model in models:
            own = answered_rows(asked.rows, asked.ids, found[model.name])
            facts = _facts(model, engine, changes) | _facts_of_a_part(context, model, own)
            for answers in _answer_sets(model, facts, own, sampling):
                _leave_results(context, tokenizer, own, answers)


def _describe(
    context: RunContext,
    asked: AskedRows,
    source: str,
    model_config: Any,
    tokenizer: Any,
    models: Sequence[EvaluatedModel],
) -> None:
    """Writes the run's manifest: what is asked, and of which models."""
    if lower := lower_is_better(context):
        context.notes[LOWER_IS_BETTER] = lower
    further = {m.name: m.adapter for m in models[1:] if m.adapter is not None}
    data = {"eval": facts_of(asked.dataset)}
    main = models[0].adapter
    describe_run(context, Ingredients(source, model_config, tokenizer, data, main, further))


def _needed_length(
    context: RunContext, prepared: Prepared, model_config: Any, environment: Any
) -> int:
    """Tokens that the engine must have room for: an episode goes on to the end of the context."""
    longest = max(len(request.ids) for request in prepared.requests)
    usual = longest + context.config.evaluation.max_new_tokens
    whole = visible_tokens(context, model_config) if environment is not None else None
    return usual if whole is None else max(usual, whole)


def _with_episodes(
    engine: Engine, context: RunContext, tokenizer: Any, model_config: Any, asked: AskedRows
) -> EpisodeEngine:
    """Returns an engine of whole episodes of the task's, whose turns the given one generates."""
    rows = asked.dataset.to_list()
    return EpisodeEngine(
        engine,
        tokenizer,
        {str(row_id): row for row_id, row in zip(asked.ids, rows, strict=True)},
        lambda: environment_of(context),
        max_turns=context.config.rl.max_turns,
        context_length=visible_tokens(context, model_config),
        batch_size=context.config.evaluation.batch_size,
    )


def _sampling(context: RunContext) -> Sampling:
    settings = context.config.evaluation
    return Sampling(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        num_samples=settings.num_samples,
        seed=settings.seed,
        include_greedy=settings.include_greedy,
    )


def _prove(
    context: RunContext, engine: Engine, prepared: Prepared, models: Sequence[EvaluatedModel]
) -> dict[str, float]:
    """Returns how far each adapter moves a first token; see `prove_adapters`."""
    context.options.stop.check()
    folders = {model.name: model.adapter.folder for model in models if model.adapter}
    return prove_adapters(engine, prepared.requests, folders)


def _facts(model: EvaluatedModel, engine: Engine, changes: dict[str, float]) -> dict[str, Any]:
    """Returns what a results file says of its model."""
    facts: dict[str, Any] = {
        "adapter_sha256": model.adapter_sha256,
        "engine": engine.name,
    }
    if model.name in changes:
        facts["adapter_log_prob_change"] = changes[model.name]
    return facts


def _facts_of_a_part(
    context: RunContext, model: EvaluatedModel, own: AnsweredRows
) -> dict[str, Any]:
    """Returns what a results file says where the budget did not do for all rows, having warned."""
    shortfall = own.shortfall(model.label)
    if shortfall is None:
        return {}
    context.warn(shortfall)
    if own.ids:
        name = f"{model.label}/{ANSWERED_SHARE}" if model.label else ANSWERED_SHARE
        context.result.metrics[name] = own.share
    return {"partial": {"answered": len(own.ids), "asked": own.asked}}


def _answer_sets(
    model: EvaluatedModel, facts: dict[str, Any], own: AnsweredRows, sampling: Sampling
) -> Iterator[AnswerSet]:
    """Yields what gets metrics of its own: all completions, or the greedy ones and the samples."""
    if not own.ids:
        return
    is_sampled = sampling.temperature > 0
    if len(sampling.draws) == sampling.num_samples:
        yield AnswerSet(model.label, facts, own.completions, is_sampled)
        return
    yield AnswerSet(model.label, facts, [drawn[:1] for drawn in own.completions], is_sampled=False)
    label = f"{model.label}/{SAMPLED}" if model.label else SAMPLED
    yield AnswerSet(label, facts, [drawn[1:] for drawn in own.completions], is_sampled)


def _leave_results(
    context: RunContext, tokenizer: Any, own: AnsweredRows, answers: AnswerSet
) -> None:
    """Scores an answer set, and leaves its numbers and rows in telemetry, files and the result."""
    with context.phases.measure("reward"):
        scored = score(context, tokenizer, own.rows, answers)
    context.record.telemetry.record_eval_samples(telemetry_samples(own.rows, own.ids, scored))
    write_results(context, own.rows, own.ids, scored)
    write_outputs(context, own.rows, own.ids, scored)
