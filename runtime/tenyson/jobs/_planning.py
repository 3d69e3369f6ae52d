"""Works a plan out: the task's hooks, the tokenizer and TRL's arguments, and no weights at all."""

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem
from tenyson.jobs._arguments import rl_arguments, sft_arguments
from tenyson.jobs._data import (
    call_hook,
    callable_of,
    dataset_of,
    facts_of,
    optional_dataset_of,
    require_columns,
)
from tenyson.jobs._libraries import quiet
from tenyson.jobs._models import load_error, load_tokenizer, locate_adapter, locate_model, new_lora
from tenyson.jobs._rl import require_a_full_round
from tenyson.jobs._sft import USABLE_COLUMNS
from tenyson.jobs.context import RunContext
from tenyson.jobs.plan import Plan, cost_lines, newest_place, planned_steps, seconds_a_step


def plan_run(context: RunContext, ranks: int, output_dir: Path) -> Plan:
    """Returns what the attempt would do.

    Args:
        context: An attempt whose own output folder is a temporary one.
        ranks: Processes that would train together.
        output_dir: Where the run would write; it is only looked at.

    Raises:
        TenysonError: What the run itself would end with.
    """
    quiet()
    plan = Plan(context.job_type.value.upper())
    for line in context.config.read_as:
        plan.add("configuration", line)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    rows = _PLANNED[context.job_type](context, plan, tokenizer)
    _plan_model(context, plan, source)
    _plan_end(context, plan, rows, ranks, output_dir)
    plan.warnings += context.result.warnings
    return plan


def _plan_sft(context: RunContext, plan: Plan, tokenizer: Any) -> int:
    hooks = (context.plain_config, tokenizer)
    formats = callable_of(context, "get_sft_formatting_func", *hooks) is not None
    callable_of(context, "get_sft_data_collator", *hooks)
    data = dataset_of(context, "get_sft_dataset", *hooks)
    evaluation = optional_dataset_of(context, "get_sft_eval_dataset", *hooks)
    if not formats:
        require_columns(data, "get_sft_dataset", *USABLE_COLUMNS)
    _plan_rows(plan, "train", data)
    if evaluation is not None:
        _plan_rows(plan, "evaluation", evaluation)
    sft_arguments(context, has_eval_set=evaluation is not None, formats=formats)
    return len(data)


def _plan_rl(context: RunContext, plan: Plan, tokenizer: Any) -> int:
    prompts = dataset_of(context, "get_rl_dataset", context.plain_config)
    require_columns(prompts, "get_rl_dataset", ("prompt",))
    rewards = call_hook(context, "get_reward_funcs", context.plain_config, tokenizer)
    arguments = rl_arguments(context)
    require_a_full_round(prompts, arguments)
    _plan_rows(plan, "train", prompts)
    names = ", ".join(getattr(reward, "__name__", repr(reward)) for reward in rewards)
    plan.add("rewards", names)
    group = arguments.num_generations
    plan.add(
        "sampling",
        f"{arguments.generation_batch_size} completions a round: "
        f"{arguments.generation_batch_size // group} prompts x {group}, for "
        f"{arguments.steps_per_generation * arguments.num_iterations} micro-steps",
    )
    return len(prompts)


def _plan_eval(context: RunContext, plan: Plan, tokenizer: Any) -> int:
    prompts = dataset_of(context, "get_eval_dataset", context.plain_config)
    require_columns(prompts, "get_eval_dataset", ("prompt",))
    _plan_rows(plan, "evaluation", prompts)
    settings = context.config.evaluation
    rows = min(len(prompts), settings.max_prompts or len(prompts))
    plan.add("sampling", f"{rows} prompts x {settings.num_samples}, {settings.batch_size} at once")
    return rows


_PLANNED = {JobType.SFT: _plan_sft, JobType.RL: _plan_rl, JobType.EVAL: _plan_eval}


def _plan_rows(plan: Plan, role: str, dataset: Dataset) -> None:
    facts = facts_of(dataset)
    columns = ", ".join(facts.columns)
    plan.add("data", f"{role}: {facts.rows} rows ({columns}), sha256 {facts.fingerprint[:12]}…")


def _plan_model(context: RunContext, plan: Plan, source: str) -> None:
    config = context.config
    model = _model_without_weights(config, source)
    total = sum(parameter.numel() for parameter in model.parameters())
    plan.add("model", f"{config.model.name}: {total / 1e6:,.2f} M parameters")
    adapter = locate_adapter(context)
    if adapter is not None:
        plan.add("adapter", f"starts from {context.adapter_source}, sha256 {adapter.sha256[:12]}…")
        return
    if context.job_type is JobType.EVAL:
        plan.add("adapter", "none: the base model is evaluated")
    elif config.adapter.kind == "full":
        plan.add("adapter", "none: every weight is trained")
    else:
        trained = _trained_parameters(config, model)
        share = 100 * trained / total
        plan.add("adapter", f"new {config.adapter.kind}: {trained:,} parameters, {share:.2g} %")


def _model_without_weights(config: JobConfig, source: str) -> Any:
    model = config.model
    trust = model.trust_remote_code
    try:
        made_of = AutoConfig.from_pretrained(
            source, revision=model.revision, trust_remote_code=trust
        )
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(made_of, trust_remote_code=trust)
    except (OSError, ValueError, ImportError) as error:
        raise load_error(error, source, model.revision) from error


def _trained_parameters(config: JobConfig, model: Any) -> int:
    try:
        with torch.device("meta"):
            adapted = get_peft_model(model, new_lora(config))
    except ValueError as error:
        raise ConfigError(
            [Problem("adapter.target_modules", str(error))],
            hint="Name layers that the model has, or all-linear.",
        ) from error
    return sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def _plan_end(context: RunContext, plan: Plan, rows: int, ranks: int, output_dir: Path) -> None:
    config = context.config
    if context.job_type is JobType.EVAL:
        return
    steps = planned_steps(config, context.job_type, rows, ranks)
    training = config.training
    batch = training.per_device_train_batch_size
    accumulation = training.gradient_accumulation_steps
    plan.add(
        "steps",
        f"{steps}, of {batch * accumulation * ranks} examples each: {batch} x {accumulation} "
        f"micro-steps x {ranks} rank{'s' if ranks != 1 else ''}",
    )
    resume = config.checkpoint.resume
    place = newest_place(output_dir) if resume == "auto" else None
    start = resume if isinstance(resume, int) else place.step if place else 0
    if start:
        name = place.name if place else f"the checkpoint of step {start}"
        plan.add("start", f"from {name}, if it verifies")
    else:
        plan.add("start", "from step 0")
    plan.add("output", str(output_dir))
    for line in cost_lines(config, max(0, steps - start), seconds_a_step(output_dir)):
        plan.add("cost", line)
