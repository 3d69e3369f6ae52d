"""What must fit together across fields, each combination with one that is just right."""

from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.config.rl_checks import rl_batch_problem
from tenyson.config.trainer_arguments import OWNED, OWNED_BY_RL, REFUSED
from tenyson.contract import JobType
from tenyson.errors import ConfigError
from tests.runtime.config_fields import FIELDS

SFT, RL, EVAL = JobType.SFT, JobType.RL, JobType.EVAL
Sections = dict[str, dict[str, Any]]
CASES: dict[str, tuple[JobType | None, Sections, str, Sections]] = {
    "groups": (
        RL,
        {"training": {"per_device_train_batch_size": 6}, "rl": {"num_generations": 4}},
        "training.per_device_train_batch_size: 6 completions x 1 micro-steps = 6 per round of "
        "sampling, not divisible by rl.num_generations = 4",
        {"training": {"gradient_accumulation_steps": 2}},
    ),
    "rounds": (
        RL,
        {"training": {"gradient_accumulation_steps": 2}, "rl": {"steps_per_generation": 3}},
        "rl.steps_per_generation: 3 micro-steps per round and "
        "training.gradient_accumulation_steps = 2 do not divide",
        {"rl": {"steps_per_generation": 4}},
    ),
    "tensor parallel": (
        RL,
        {"vllm": {"tensor_parallel_size": 2}},
        "vllm.tensor_parallel_size: 2 GPUs a copy do not divide the 1 rank(s)",
        {"rl": {"engine": "hf"}},
    ),
    "clip range": (
        RL,
        {"rl": {"epsilon": 0.2, "epsilon_high": 0.1}},
        "rl.epsilon_high: 0.1 is below rl.epsilon = 0.2",
        {"rl": {"epsilon_high": 0.2}},
    ),
    "delta": (
        RL,
        {"rl": {"delta": 1.0}},
        "rl.delta: 1.0 would clip tokens whose probability has not changed",
        {"rl": {"delta": 1.5}},
    ),
    "weights": (
        RL,
        {"rl": {"reward_weights": [0.0, 0.0]}},
        "rl.reward_weights: all are 0",
        {"rl": {"reward_weights": [0.0, -1.0]}},
    ),
    "context of sampling": (
        RL,
        {"vllm": {"max_model_length": 512}, "rl": {"max_completion_length": 512}},
        "vllm.max_model_length: 512 tokens of prompt and completion leave no room for a prompt",
        {"vllm": {"max_model_length": 513}},
    ),
    "context of an evaluation": (
        EVAL,
        {"vllm": {"max_model_length": 100}, "evaluation": {"max_new_tokens": 200}},
        "leave no room for a prompt: evaluation.max_new_tokens is 200",
        {"evaluation": {"engine": "hf"}},
    ),
    "samples": (
        EVAL,
        {"evaluation": {"num_samples": 4}},
        "evaluation.num_samples: 4 with evaluation.temperature 0: greedy samples are all alike",
        {"evaluation": {"temperature": 0.5}},
    ),
    "pass@k": (
        EVAL,
        {"evaluation": {"pass_at": [1]}},
        "evaluation.pass_at: is estimated from samples, and evaluation.temperature 0 draws none",
        {"evaluation": {"pass_at": [1], "temperature": 0.5}},
    ),
    "more pass@k than samples": (
        EVAL,
        {"evaluation": {"num_samples": 4, "temperature": 1.0, "pass_at": [1, 8]}},
        "evaluation.pass_at: pass@8 needs at least 8 samples a prompt",
        {"evaluation": {"num_samples": 8}},
    ),
    "adapters": (
        EVAL,
        {"evaluation": {"adapters": {"../best": "folder"}}},
        "evaluation.adapters.../best: the name becomes a file's name",
        {"evaluation": {"adapters": {"best-1": "folder"}}},
    ),
    "dora": (
        EVAL,
        {"adapter": {"kind": "dora"}, "evaluation": {"engine": "vllm"}},
        "adapter.kind: vLLM cannot serve DoRA; set evaluation.engine: hf",
        {"evaluation": {"engine": "hf"}},
    ),
    "whole layers": (
        EVAL,
        {"adapter": {"modules_to_save": ["lm_head"]}, "evaluation": {"engine": "vllm"}},
        "adapter.modules_to_save: vLLM cannot serve layers that were trained whole",
        {"evaluation": {"engine": "auto"}},
    ),
    "cost": (
        None,
        {"budget": {"max_cost": 5}},
        "budget.max_cost: needs budget.price_per_hour",
        {"budget": {"price_per_hour": 2.5}},
    ),
    "free of charge": (
        None,
        {"budget": {"max_cost": 5, "price_per_hour": 0}},
        "budget.max_cost: needs budget.price_per_hour, above 0",
        {"budget": {"price_per_hour": 2.5}},
    ),
    "least rate": (
        None,
        {"training": {"lr_scheduler_type": "cosine_with_min_lr"}},
        "training.lr_scheduler_type: cosine_with_min_lr needs that rate",
        {"trainer_args": {"lr_scheduler_kwargs": {"min_lr_rate": 0.1}}},
    ),
    "rollback": (
        SFT,
        {"guards": {"grad_spike": "rollback"}, "checkpoint": {"every_seconds": None}},
        "guards.grad_spike: rollback needs checkpoints to go back to",
        {"checkpoint": {"every_steps": 10}},
    ),
    "full from an adapter": (
        SFT,
        {"adapter": {"kind": "full", "path": "folder"}},
        "adapter.path: adapter.kind full trains every weight",
        {"adapter": {"kind": "lora"}},
    ),
    "full with whole layers": (
        RL,
        {"adapter": {"kind": "full", "modules_to_save": ["lm_head"]}},
        "adapter.modules_to_save: adapter.kind full trains every layer whole already",
        {"adapter": {"modules_to_save": []}},
    ),
    "four bits": (
        SFT,
        {"adapter": {"kind": "qlora"}, "training": {"fsdp": True}},
        "training.fsdp: a base of 4 bits (adapter.kind: qlora) cannot be split",
        {"training": {"fsdp": False}},
    ),
    "unsloth and dora": (
        RL,
        {"model": {"loader": "unsloth"}, "adapter": {"kind": "dora"}},
        "adapter.kind: dora is not trained through Unsloth",
        {"adapter": {"kind": "qlora"}},
    ),
    "unsloth and fsdp": (
        SFT,
        {"model": {"loader": "unsloth"}, "training": {"fsdp": True}},
        "training.fsdp: Unsloth does not train with FSDP",
        {"model": {"loader": "transformers"}},
    ),
    "unsloth and a kernel": (
        SFT,
        {"model": {"loader": "unsloth", "attn_implementation": "eager"}},
        "model.attn_implementation: Unsloth chooses its attention kernel itself",
        {"model": {"attn_implementation": None}},
    ),
    "packing": (
        SFT,
        {"data": {"packing": True, "max_length": None}},
        "data.packing: needs data.max_length",
        {"data": {"max_length": 64}},
    ),
}


def merged(*parts: Sections) -> dict[str, Any]:
    config: dict[str, Any] = {"model": {"name": "m"}}
    for part in parts:
        for name, fields in part.items():
            config[name] = {**config.get(name, {}), **fields}
    return config


@pytest.mark.parametrize(("job_type", "wrong", "says", "cure"), CASES.values(), ids=CASES)
def test_what_does_not_fit_is_refused_and_its_cure_is_taken(
    job_type: JobType | None, wrong: Sections, says: str, cure: Sections
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(merged(wrong), job_type)
    assert says in str(raised.value)
    assert len(raised.value.problems) == 1

    assert parse_config(merged(wrong, cure), job_type)


def test_all_that_does_not_fit_is_reported_together() -> None:
    wrong = merged(
        {"budget": {"max_cost": 5}, "rl": {"epsilon_high": 0.1, "num_generations": 3}},
        {"trainer_args": {"save_strategy": "no", "learning_rate": 1.0}},
    )

    with pytest.raises(ConfigError) as raised:
        parse_config(wrong, RL)

    assert {problem.path for problem in raised.value.problems} == {
        "budget.max_cost",
        "rl.epsilon_high",
        "training.per_device_train_batch_size",
        "trainer_args.save_strategy",
        "trainer_args.learning_rate",
    }


@pytest.mark.parametrize("name", ["groups", "rounds", "full with whole layers", "packing", "dora"])
def test_what_another_kind_of_job_needs_is_none_of_this_ones_business(name: str) -> None:
    job_type, wrong, _, _ = CASES[name]
    other = EVAL if job_type is not EVAL else SFT

    assert parse_config(merged(wrong), other)
    assert parse_config(merged(wrong))


def test_a_group_may_lie_on_several_ranks() -> None:
    config = parse_config(merged({"training": {"per_device_train_batch_size": 2}}))

    assert "divisible by rl.num_generations = 8" in (rl_batch_problem(config, ranks=2) or "")
    assert rl_batch_problem(config, ranks=4) is None


@pytest.mark.parametrize("name", OWNED)
def test_an_argument_with_a_field_of_its_own_is_answered_with_it(name: str) -> None:
    assert OWNED[name] in [path for path, _ in FIELDS]
    with pytest.raises(ConfigError) as raised:
        parse_config(merged({"trainer_args": {name: None}}))

    assert f"trainer_args.{name}: has a field of its own: set {OWNED[name]}" in str(raised.value)


@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_that_would_break_a_promise_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(merged({"trainer_args": {name: None}}))

    assert f"trainer_args.{name}: is not taken: {REFUSED[name]}" in str(raised.value)


def test_no_argument_is_both_owned_and_refused() -> None:
    assert not set(OWNED) & set(REFUSED)
    assert set(OWNED_BY_RL.values()) <= {path for path, _ in FIELDS}
