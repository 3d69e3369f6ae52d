"""Eval: models answer the task's prompts, and the task scores the answers."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any

from datasets import Dataset

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.evaluation.completions import SAMPLED, Completion, Sampling
from tenyson.evaluation.engines.engine import Engine
from tenyson.evaluation.prompts import Prepared, prepare_prompts
from tenyson.evaluation.proof import prove_adapters
from tenyson.jobs._libraries import quiet
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import context_length
from tenyson.jobs.data._data import dataset_of, facts_of, require_columns
from tenyson.jobs.data.named import origin_of
from tenyson.jobs.evaluating._eval_answers import answer_all
from tenyson.jobs.evaluating._eval_episodes import EpisodeEngine
from tenyson.jobs.evaluating._eval_models import (
    EvaluatedModel,
    choose,
    locate_models,
    open_engine,
)
from tenyson.jobs.evaluating._eval_outputs import write_outputs
from tenyson.jobs.evaluating._eval_results import (
    AnswerSet,
    lower_is_better,
    score,
    telemetry_samples,
    write_results,
)
from tenyson.jobs.evaluating.answered_rows import ANSWERED_SHARE, AnsweredRows, answered_rows
from tenyson.jobs.models._models import load_model_config, load_tokenizer, locate_model
from tenyson.jobs.outcome._description import describe_run
from tenyson.jobs.sampling._episodes import reset
from tenyson.jobs.sampling._stage import environment_of
from tenyson.manifest import LOWER_IS_BETTER
from tenyson.seeding import seed_everything


def evaluate(context: RunContext) -> None:
    """Evaluates on the task's prompts; `context.result` holds the outcome."""
    quiet()
    context.options.stop.check()  # the libraries' import takes long
    settings = context.config.evaluation
    seed_everything(settings.seed)
    environment = environment_of(context)
    dataset = prompts_of(context, environment)
    rows = asked_rows(dataset, environment)
    ids = row_ids(rows)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    model_config = load_model_config(context.config, source)
    models = locate_models(context)
    choice = choose(context, source, model_config, models)
    prepared = prepare_rows(context, tokenizer, model_config, rows, ids)
    main = models[0].adapter
    context.result.adapter_sha256 = main.sha256 if main else None
    context.options.stop.check()
    described = SimpleNamespace(config=model_config)
    further = {m.name: m.adapter for m in models[1:] if m.adapter is not None}
    data = {"eval": facts_of(dataset)}
    if lower := lower_is_better(context):
        context.notes[LOWER_IS_BETTER] = lower
    describe_run(context, described, source, data, main, tokenizer, further)
    longest = max(len(request.ids) for request in prepared.requests)
    engine = open_engine(
        context,
        choice,
        source,
        tokenizer,
        models,
        needed_length=_needed_length(context, longest, model_config, environment),
    )
    if environment is not None:
        engine = EpisodeEngine(
            engine,
            tokenizer,
            {str(row_id): row for row_id, row in zip(ids, dataset.to_list(), strict=True)},
            lambda: environment_of(context),
            max_turns=context.config.rl.max_turns,
            context_length=visible_tokens(context, model_config),
            batch_size=settings.batch_size,
        )
    context.options.stop.defer()  # from here on what is answered is kept, batch by batch
    with closing(engine):
        changes = _prove(context, engine, prepared, models)
        sampling = _sampling(context)
        found = answer_all(context, engine, models, prepared.requests, sampling)
        context.phases.turn_to("save")
        for model in models:
            own = answered_rows(rows, ids, found[model.name])
            facts = _facts(model, engine, changes) | _facts_of_a_part(context, model, own)
            if not own.ids:
                continue
            for answers in _answer_sets(model, facts, own.completions, sampling):
                with context.phases.measure("reward"):
                    scored = score(context, tokenizer, own.rows, answers)
                samples = telemetry_samples(own.rows, own.ids, scored)
                context.record.telemetry.record_eval_samples(samples)
                write_results(context, own.rows, own.ids, scored)
                write_outputs(context, own.rows, own.ids, scored)


def _needed_length(context: RunContext, longest: int, model_config: Any, environment: Any) -> int:
    """Tokens that the engine must have room for: an episode goes on to the end of the context."""
    usual = longest + context.config.evaluation.max_new_tokens
    whole = visible_tokens(context, model_config) if environment is not None else None
    return usual if whole is None else max(usual, whole)


def prompts_of(context: RunContext, environment: Any = None) -> Dataset:
    """Returns the rows of the task that are evaluated; an environment brings their prompts."""
    if environment is not None and context.config.evaluation.truncate_prompts:
        problem = "cuts prompts, and the task's make_env plays episodes, whose prompts stay whole"
        raise ConfigError(
            [Problem("evaluation.truncate_prompts", problem)],
            hint="Leave it out, and let the environment give shorter prompts.",
        )
    prompts = dataset_of(context, "get_eval_dataset", context.plain_config)
    if environment is None:
        require_columns(prompts, origin_of(context, "get_eval_dataset"), ("prompt",))
    limit = context.config.evaluation.max_prompts
    return prompts if limit is None else prompts.select(range(min(limit, len(prompts))))


def asked_rows(dataset: Dataset, environment: Any) -> list[dict[str, Any]]:
    """Returns the rows with their prompts, those that the environment gives where there is one."""
    rows: list[dict[str, Any]] = dataset.to_list()
    if environment is None:
        return rows
    return [{**row, "prompt": reset(environment, row)} for row in rows]


def prepare_rows(
    context: RunContext,
    tokenizer: Any,
    model_config: Any,
    rows: list[dict[str, Any]],
    ids: Sequence[Any],
) -> Prepared:
    """Returns the rows' prompts as tokens that leave room for an answer."""
    settings = context.config.evaluation
    prepared = prepare_prompts(
        tokenizer,
        [str(row_id) for row_id in ids],
        [row["prompt"] for row in rows],
        context_length=visible_tokens(context, model_config),
        max_new_tokens=settings.max_new_tokens,
        truncate=settings.truncate_prompts,
    )
    if prepared.truncated:
        context.warn(f"{prepared.truncated} prompts lost their beginning to fit the context.")
    if prepared.ended:
        context.warn(
            f"{prepared.ended} prompts end with the end-of-text token, after which a model has "
            "nothing to say; does the tokenizer add it (add_eos_token)?"
        )
    return prepared


def visible_tokens(context: RunContext, model_config: Any) -> int | None:
    """Returns the tokens that the model sees in the engine that is chosen; None knows no limit."""
    settings = context.config.evaluation
    is_vllm = context.engine.is_vllm if context.engine else settings.engine == "vllm"
    lengths = [
        context_length(model_config),
        context.config.vllm.max_model_length if is_vllm else None,
    ]
    return min((length for length in lengths if length), default=None)


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
        "adapter_sha256": model.adapter.sha256 if model.adapter else None,
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
    model: EvaluatedModel,
    facts: dict[str, Any],
    completions: list[list[Completion]],
    sampling: Sampling,
) -> Iterator[AnswerSet]:
    """Yields what gets metrics of its own: all completions, or the greedy ones and the samples."""
    is_sampled = sampling.temperature > 0
    if len(sampling.draws) == sampling.num_samples:
        yield AnswerSet(model.label, facts, completions, is_sampled)
        return
    yield AnswerSet(model.label, facts, [drawn[:1] for drawn in completions], is_sampled=False)
    label = f"{model.label}/{SAMPLED}" if model.label else SAMPLED
    yield AnswerSet(label, facts, [drawn[1:] for drawn in completions], is_sampled)


def row_ids(rows: list[dict[str, Any]]) -> list[Any]:
    """Returns what names each row: its `id`, else its place.

    Raises:
        TaskError: Two rows have the same; a paired comparison would take one for the other.
    """
    ids = [row.get("id", place) for place, row in enumerate(rows)]
    seen: set[str] = set()
    for row_id in map(str, ids):
        if row_id in seen:
            raise TaskError(
                f"get_eval_dataset has two rows with the id {row_id!r}.",
                hint="Ids tell rows apart in comparisons of models; make them unique.",
            )
        seen.add(row_id)
    return ids
