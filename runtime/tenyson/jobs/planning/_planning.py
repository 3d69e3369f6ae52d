"""Works a plan out: the task's hooks, the tokenizer and TRL's arguments, and no weights at all."""

from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model

from tenyson.checkpoints.mirror import Mirror
from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem
from tenyson.jobs._libraries import quiet
from tenyson.jobs.context import RunContext
from tenyson.jobs.limits._memory_here import memory_here
from tenyson.jobs.models._adapters import locate_adapter, new_lora, require_modules
from tenyson.jobs.models._models import (
    load_model_config,
    load_tokenizer,
    locate_model,
    without_weights,
)
from tenyson.jobs.models._quantization import four_bits
from tenyson.jobs.planning._planned_data import PlannedData, plan_eval, plan_rl, plan_sft
from tenyson.jobs.planning.plan import Plan, cost_lines, newest_place, planned_steps, seconds_a_step
from tenyson.jobs.sampling._engines import engine_of
from tenyson.jobs.sampling.engines import Need

_PLANNED_DATA = {JobType.SFT: plan_sft, JobType.RL: plan_rl, JobType.EVAL: plan_eval}


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
    plan = Plan(context.job_type.value.upper(), ranks)
    for line in context.config.read_as:
        plan.add("configuration", line)
    source = locate_model(context)
    tokenizer = load_tokenizer(context.config, source)
    model = without_weights(context.config, source, load_model_config(context.config, source))
    data = _PLANNED_DATA[context.job_type](context, plan, source, tokenizer, model.config)
    _plan_model(context, plan, model)
    if context.job_type is not JobType.EVAL:
        _plan_training(context, plan, model)
        _plan_steps(context, plan, data.rows, output_dir)
    _plan_memory(context, plan, model, data)
    plan.add("output", str(output_dir))
    plan.warnings += context.result.warnings
    return plan


def _plan_model(context: RunContext, plan: Plan, model: Any) -> None:
    config = context.config
    total = sum(parameter.numel() for parameter in model.parameters())
    plan.add("model", f"{config.model.name}: {total / 1e6:,.2f} M parameters")
    if context.job_type is JobType.RL:
        engine_of(context, Need.RL, total)
    if engine := context.engine:
        plan.add("engine", f"{engine.engine}: {engine.why}")


def _plan_training(context: RunContext, plan: Plan, model: Any) -> None:
    config = context.config
    four_bits(config)  # refuses what this machine has not
    adapter = locate_adapter(context)
    if adapter is not None:
        plan.add("adapter", f"starts from {context.adapter_source}, sha256 {adapter.sha256[:12]}…")
    elif config.adapter.kind == "full":
        plan.add("adapter", "none: every weight is trained")
    else:
        total = sum(parameter.numel() for parameter in model.parameters())
        trained = _trained_parameters(config, model)
        share = 100 * trained / total
        plan.add("adapter", f"new {config.adapter.kind}: {trained:,} parameters, {share:.2g} %")


def _plan_memory(context: RunContext, plan: Plan, model: Any, data: PlannedData) -> None:
    found = memory_here(context, model, ranks=plan.ranks, longest_tokens=data.longest_tokens)
    if isinstance(found, str):
        plan.add("memory", found)
        return
    plan.add("memory", found.text)
    if found.warning:
        plan.warnings.append(found.warning)


def _trained_parameters(config: JobConfig, model: Any) -> int:
    require_modules(model, config.adapter.modules_to_save)
    try:
        with torch.device("meta"):
            adapted = get_peft_model(model, new_lora(config))
    except ValueError as error:
        raise ConfigError(
            [Problem("adapter.target_modules", str(error))],
            hint="Name layers that the model has, or all-linear.",
        ) from error
    return sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def _plan_steps(context: RunContext, plan: Plan, rows: int, output_dir: Path) -> None:
    config, ranks = context.config, plan.ranks
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
    uri = context.options.output_uri
    mirrored = Mirror(uri).finished_folders() if uri and resume == "auto" else []
    place = newest_place(output_dir, mirrored) if resume == "auto" else None
    start = resume if isinstance(resume, int) else place.step if place else 0
    if start:
        name = place.name if place else f"the checkpoint of step {start}"
        plan.add("start", f"from {name}, if it verifies")
    else:
        plan.add("start", "from step 0")
    for line in cost_lines(config, max(0, steps - start), seconds_a_step(output_dir)):
        plan.add("cost", line)
