"""What a plan says of a task's data: read by the same hooks and checks as a run's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from datasets import Dataset
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from tenyson.jobs.context import RunContext
from tenyson.jobs.data._context_length import context_length, require_room
from tenyson.jobs.data._data import (
    call_hook,
    callable_of,
    facts_of,
)
from tenyson.jobs.data._data_report import decide_packing, report_data, summary, warnings_of
from tenyson.jobs.data._mask_report import describe_example, report_masks, sample_of, stop_ids_of
from tenyson.jobs.data._preparation import PreparedRows
from tenyson.jobs.data._prompts import longest_prompt, require_a_full_round, rl_prompts
from tenyson.jobs.evaluating._eval_models import EvaluatedModel, choose, locate_models
from tenyson.jobs.evaluating._eval_prompts import asked_rows, prepare_rows
from tenyson.jobs.models._models import require_vocabulary
from tenyson.jobs.planning.plan import Plan
from tenyson.jobs.sampling._rewards import checked_rewards
from tenyson.jobs.sampling._rl import reward_weights_of
from tenyson.jobs.sampling._stage import stage_of
from tenyson.jobs.training._arguments import rl_arguments, sft_arguments
from tenyson.jobs.training._sft import examples_of, prepare_all

SHOWN_CHARACTERS = 600
ROLES = {"train": "train", "eval": "evaluation"}


@dataclass(frozen=True)
class PlannedData:
    """What the rest of a plan needs to know of the data."""

    rows: int
    longest_tokens: int
    """Of a prompt, or of a whole example (SFT)."""


def plan_sft(
    context: RunContext, plan: Plan, source: str, tokenizer: Any, model_config: Any
) -> PlannedData:
    """Adds the examples, the mask and an example of it."""
    hooks = (context.plain_config, tokenizer)
    formatting_func = callable_of(context, "get_sft_formatting_func", *hooks)
    collator = callable_of(context, "get_sft_data_collator", *hooks)
    formats = formatting_func is not None
    data = examples_of(context, formats, hooks)
    for role, dataset in data.items():
        _plan_rows(plan, ROLES[role], dataset)
    arguments = sft_arguments(context, has_eval_set="eval" in data, formats=formats)
    prepared = prepare_all(data, tokenizer, arguments, formatting_func)
    max_length = context.config.data.max_length
    for own in prepared.values():
        require_vocabulary(model_config, tokenizer, own.largest_id)
        require_room(int(own.lengths.max()), max_length, model_config)
    choice = decide_packing(
        context, prepared["train"], model_config, has_collator=collator is not None
    )
    plan.add("packing", f"{'on' if choice.packs else 'off'}: {choice.why}")
    _plan_mask(context, plan, prepared["train"], tokenizer, collator)
    rows = prepared["train"].rows
    if choice.packs:  # as TRL does it
        packed = rows.select_columns(["input_ids", "labels"])
        rows = pack_dataset(packed, max_length, arguments.packing_strategy)
    return PlannedData(len(rows), int(prepared["train"].lengths.max()))


def plan_rl(
    context: RunContext, plan: Plan, source: str, tokenizer: Any, model_config: Any
) -> PlannedData:
    """Adds the prompts, the rewards and a round of sampling."""
    prompts = rl_prompts(context)
    _plan_rows(plan, "train", prompts.rows)
    rewards = call_hook(context, "get_reward_funcs", context.plain_config, tokenizer)
    weights = reward_weights_of(context)
    checked = checked_rewards(rewards, weights=weights)
    arguments = rl_arguments(_as_one_rank(context, plan.ranks))
    require_a_full_round(prompts.rows, arguments)
    config = context.config
    engine_length = config.vllm.max_model_length if config.rl.engine == "vllm" else None
    longest = longest_prompt(context, prompts, tokenizer, model_config, engine_length)
    answer = config.rl.max_completion_length
    plan.add("prompts", f"{longest} tokens the longest, and up to {answer} of an answer")
    if prompts.environment is not None:
        stage_of(context, prompts.environment, context_length(model_config))
        plan.add("episodes", f"up to {config.rl.max_turns} turns with the task's make_env")
    plan.add("rewards", _weighed(checked, weights))
    completions, group = arguments.generation_batch_size, arguments.num_generations
    plan.add(
        "sampling",
        f"{completions} completions a round: {completions // group} prompts x {group}, for "
        f"{arguments.steps_per_generation * arguments.num_iterations} micro-steps",
    )
    return PlannedData(len(prompts.rows), longest)


def _as_one_rank(context: RunContext, ranks: int) -> RunContext:
    """Returns the context of a run whose one process has the batches of all; TRL counts them."""
    training = context.config.training
    size = training.per_device_train_batch_size * ranks
    widened = training.model_copy(update={"per_device_train_batch_size": size})
    return replace(context, config=context.config.model_copy(update={"training": widened}))


def _weighed(rewards: Sequence[Any], weights: Sequence[float] | None) -> str:
    factors = weights or [1.0] * len(rewards)
    named = zip(rewards, factors, strict=True)
    return ", ".join(f"{reward.__name__} x {factor:g}" for reward, factor in named)


def plan_eval(
    context: RunContext, plan: Plan, source: str, tokenizer: Any, model_config: Any
) -> PlannedData:
    """Adds the prompts, the models, the engine and what is sampled."""
    asked = asked_rows(context)
    _plan_rows(plan, "evaluation", asked.dataset)
    models = locate_models(context)
    choose(context, source, model_config, models)  # first: what fits hangs on the engine
    prepared = prepare_rows(context, tokenizer, model_config, asked)
    longest = max(len(request.ids) for request in prepared.requests)
    settings = context.config.evaluation
    answer = settings.max_new_tokens
    plan.add("prompts", f"{longest} tokens the longest, and up to {answer} of an answer")
    plan.add("models", ", ".join(_evaluated(model) for model in models))
    drawn = "greedy" if settings.temperature == 0 else f"at temperature {settings.temperature:g}"
    greedy = ", and once greedy" if settings.include_greedy else ""
    plan.add("sampling", f"{len(asked.rows)} prompts x {settings.num_samples}, {drawn}{greedy}")
    return PlannedData(len(asked.rows), longest)


def _evaluated(model: EvaluatedModel) -> str:
    if model.adapter is None:
        return "the base model"
    return f"{model.label or 'the adapter'} (sha256 {model.adapter.sha256[:12]}…)"


def _plan_rows(plan: Plan, role: str, dataset: Dataset) -> None:
    facts = facts_of(dataset)
    columns = ", ".join(facts.columns)
    plan.add("data", f"{role}: {facts.rows} rows ({columns}), sha256 {facts.fingerprint[:12]}…")


def _plan_mask(
    context: RunContext,
    plan: Plan,
    prepared: PreparedRows,
    tokenizer: Any,
    collator: Callable[..., Any] | None,
) -> None:
    limit = context.config.data.max_length
    rows = [
        {name: values[:limit] for name, values in row.items()}
        for row in sample_of(prepared.rows, ("input_ids", "labels"))
    ]
    masks = report_masks(
        rows,
        collator or DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id),
        batch_size=context.config.training.per_device_train_batch_size,
        stop_ids=stop_ids_of(tokenizer),
        pad_id=tokenizer.pad_token_id,
    )
    examples = len(prepared.lengths)
    cut = int((prepared.lengths > limit).sum()) if limit is not None else 0
    if not masks.trained_tokens:
        report_data(context, masks, prepared, None)  # refuses it in its own words
    plan.add("mask", summary(masks, examples, cut, limit))
    plan.warnings += warnings_of(masks, examples, cut, 0, limit)
    if collator is None:
        shown = describe_example(tokenizer, rows[0]["input_ids"], rows[0]["labels"])
        if len(shown) > SHOWN_CHARACTERS:
            shown = f"{shown[:SHOWN_CHARACTERS]}…"
        plan.add("example", f"{shown}\n(⟦what is trained⟧)")
