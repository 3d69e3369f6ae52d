"""What must fit together across fields: pure, and every problem at once.

Each check yields problems with the path of the field that a reader would change. What only the
model, the data or the machine can tell is checked where these are at hand.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from tenyson.config.models import JobConfig
from tenyson.config.rl_checks import clip_problems, loss_problems, round_problems
from tenyson.config.trainer_arguments import problems_of_names
from tenyson.contract import JobType
from tenyson.errors import Problem

Check = Callable[[JobConfig], Iterator[Problem]]


def cross_problems(config: JobConfig, job_type: JobType | None, ranks: int = 1) -> list[Problem]:
    """Returns every problem between fields.

    Args:
        config: Whose fields are each fine alone.
        job_type: Adds what only this kind of job needs; None leaves that out.
        ranks: Processes that train together.
    """
    checks = [*_OF_ANY, *(_OF_TYPE[job_type] if job_type else ())]
    problems = [problem for check in checks for problem in check(config)]
    if job_type is JobType.RL:
        problems += round_problems(config, ranks)
    return problems


def _samples(config: JobConfig) -> Iterator[Problem]:
    evaluation = config.evaluation
    if evaluation.num_samples > 1 and evaluation.temperature == 0:
        yield Problem(
            "evaluation.num_samples",
            f"{evaluation.num_samples} with evaluation.temperature 0: greedy samples are all "
            "alike; set a temperature or num_samples: 1",
        )
    if beyond := [k for k in evaluation.pass_at if k > evaluation.num_samples]:
        yield Problem(
            "evaluation.pass_at",
            f"pass@{max(beyond)} needs at least {max(beyond)} samples a prompt, "
            f"evaluation.num_samples is {evaluation.num_samples}",
        )
    elif evaluation.pass_at and evaluation.temperature == 0:
        yield Problem(
            "evaluation.pass_at",
            "is estimated from samples, and evaluation.temperature 0 draws none; set a "
            "temperature, or leave it out",
        )


def _adapters_names(config: JobConfig) -> Iterator[Problem]:
    for name in config.evaluation.adapters:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
            yield Problem(
                f"evaluation.adapters.{name}",
                "the name becomes a file's name: up to 63 letters, digits, '.', '_' and '-', a "
                "letter or a digit first",
            )


def _budget(config: JobConfig) -> Iterator[Problem]:
    budget = config.budget
    if budget.max_cost is not None and not budget.price_per_hour:
        yield Problem(
            "budget.max_cost",
            "needs budget.price_per_hour, above 0: without it no cost is known; or set "
            "budget.max_hours",
        )


def _schedule(config: JobConfig) -> Iterator[Problem]:
    if config.training.lr_scheduler_type != "cosine_with_min_lr":
        return
    given = config.trainer_args.get("lr_scheduler_kwargs")
    if not (isinstance(given, dict) and given.keys() & {"min_lr", "min_lr_rate"}):
        yield Problem(
            "training.lr_scheduler_type",
            "cosine_with_min_lr needs that rate: trainer_args.lr_scheduler_kwargs: "
            "{min_lr_rate: 0.1}, say",
        )


def _trainer_arguments(config: JobConfig) -> Iterator[Problem]:
    yield from problems_of_names(config.trainer_args)


def _rollback(config: JobConfig) -> Iterator[Problem]:
    checkpoint = config.checkpoint
    if checkpoint.every_steps is not None or checkpoint.every_seconds is not None:
        return
    for name, value in config.guards:
        if value == "rollback":
            yield Problem(
                f"guards.{name}",
                "rollback needs checkpoints to go back to; set checkpoint.every_steps or "
                "checkpoint.every_seconds",
            )


def _full(config: JobConfig) -> Iterator[Problem]:
    adapter = config.adapter
    if adapter.kind != "full":
        return
    if adapter.path is not None:
        yield Problem(
            "adapter.path",
            "adapter.kind full trains every weight of the base model and cannot start from an "
            "adapter; set adapter.kind: lora to go on training the adapter",
        )
    if adapter.modules_to_save:
        yield Problem(
            "adapter.modules_to_save",
            "adapter.kind full trains every layer whole already; leave it out",
        )


def _four_bits(config: JobConfig) -> Iterator[Problem]:
    if config.adapter.kind == "qlora" and config.training.fsdp:
        yield Problem(
            "training.fsdp",
            "a base of 4 bits (adapter.kind: qlora) cannot be split; set it to false: each GPU "
            "holds the whole base",
        )


def _unsloth(config: JobConfig) -> Iterator[Problem]:
    if config.model.loader != "unsloth":
        return
    remedy = "set model.loader: transformers"
    if config.adapter.kind == "dora":
        yield Problem("adapter.kind", f"dora is not trained through Unsloth; {remedy}")
    if config.training.fsdp:
        yield Problem("training.fsdp", f"Unsloth does not train with FSDP; {remedy}")
    if config.model.attn_implementation is not None:
        yield Problem(
            "model.attn_implementation",
            f"Unsloth chooses its attention kernel itself; leave it out, or {remedy}",
        )


def _packing(config: JobConfig) -> Iterator[Problem]:
    if config.data.packing and config.data.max_length is None:
        yield Problem("data.packing", "needs data.max_length: it is the length of a packed row")


def _sampled_length(config: JobConfig) -> Iterator[Problem]:
    if config.rl.engine != "hf":
        yield from _context(config, "rl.max_completion_length", config.rl.max_completion_length)


def _evaluated_length(config: JobConfig) -> Iterator[Problem]:
    if config.evaluation.engine != "hf":
        yield from _context(config, "evaluation.max_new_tokens", config.evaluation.max_new_tokens)


def _context(config: JobConfig, path: str, completion: int) -> Iterator[Problem]:
    longest = config.vllm.max_model_length
    if longest is not None and longest <= completion:
        yield Problem(
            "vllm.max_model_length",
            f"{longest} tokens of prompt and completion leave no room for a prompt: {path} is "
            f"{completion}",
        )


def _served_adapter(config: JobConfig) -> Iterator[Problem]:
    if config.evaluation.engine != "vllm":
        return
    if config.adapter.kind == "dora":
        yield Problem("adapter.kind", "vLLM cannot serve DoRA; set evaluation.engine: hf")
    if config.adapter.modules_to_save:
        yield Problem(
            "adapter.modules_to_save",
            "vLLM cannot serve layers that were trained whole; set evaluation.engine: hf",
        )


_OF_ANY: Final[tuple[Check, ...]] = (
    _samples,
    _adapters_names,
    _budget,
    clip_problems,
    loss_problems,
    _schedule,
    _trainer_arguments,
)
_OF_TYPE: Final[dict[JobType, tuple[Check, ...]]] = {
    JobType.SFT: (_rollback, _full, _four_bits, _unsloth, _packing),
    JobType.RL: (_rollback, _full, _four_bits, _unsloth, _sampled_length),
    JobType.EVAL: (_evaluated_length, _served_adapter),
}
