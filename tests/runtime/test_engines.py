from typing import Any

import pytest

from tenyson.errors import ConfigError
from tenyson.jobs.sampling.engines import Need, choose_engine, longest_sequence

BIG, SMALL = 600_000_000, 700_000


def choose(wanted: Any = "auto", need: Need = Need.RL, **facts: Any) -> Any:
    usual = {"has_gpu": True, "has_vllm": True, "parameters": BIG}
    return choose_engine(wanted, need, **{**usual, **facts})


@pytest.mark.parametrize("need", Need)
@pytest.mark.parametrize(
    ("facts", "engine", "why"),
    [
        ({}, "vllm", "there is a GPU, and the model has 600.0M parameters"),
        ({"has_gpu": False}, "hf", "there is no GPU"),
        ({"parameters": SMALL}, "hf", "a model of 0.7M parameters is sampled faster than vLLM"),
        ({"has_vllm": False}, "hf", "vLLM is not installed"),
        ({"wanted": "hf"}, "hf", "engine asks for it"),
        ({"wanted": "vllm", "parameters": SMALL}, "vllm", "engine asks for it"),
    ],
)
def test_auto_takes_vllm_for_a_model_worth_it_and_says_why(
    need: Need, facts: dict[str, Any], engine: str, why: str
) -> None:
    choice = choose(need=need, **facts)

    assert choice.engine == engine
    assert why in choice.why


@pytest.mark.parametrize(
    ("need", "facts", "says"),
    [
        (Need.RL, {"has_gpu": False}, "rl.engine: vllm is asked for, but on a CPU"),
        (Need.RL, {"has_vllm": False}, "tenyson[vllm]"),
        (Need.EVALUATION, {"has_vllm": False}, "evaluation.engine: vllm is asked for, but vLLM is"),
        (Need.EVALUATION, {"adapter_kind": "dora"}, "cannot serve a DoRA adapter"),
        (Need.EVALUATION, {"modules_to_save": ("lm_head",)}, "modules_to_save: lm_head"),
    ],
)
def test_vllm_that_cannot_do_it_is_refused_with_the_field_and_a_remedy(
    need: Need, facts: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        choose("vllm", need, **facts)

    assert says in str(refused.value)
    assert f"{need}.engine: hf" in refused.value.hint
    assert choose("auto", need, **facts).engine == "hf"


def test_an_evaluation_uses_vllm_on_a_cpu_where_it_is_asked_for() -> None:
    assert choose("vllm", Need.EVALUATION, has_gpu=False).is_vllm


def test_rl_pushes_merged_weights_so_any_adapter_goes() -> None:
    assert choose(adapter_kind="dora", modules_to_save=("lm_head",)).is_vllm


def test_a_4_bit_base_is_left_to_transformers_unless_vllm_is_asked_for_by_name() -> None:
    assert choose(adapter_kind="qlora").engine == "hf"
    asked = choose("vllm", adapter_kind="qlora")
    assert asked.is_vllm
    assert "loses precision" in asked.why


@pytest.mark.parametrize(
    ("context", "engine", "expected"),
    [(2048, 512, 512), (512, 2048, 512), (512, None, 512), (None, 512, 512), (None, None, None)],
)
def test_the_shorter_of_model_and_engine_bounds_a_sequence(
    context: int | None, engine: int | None, expected: int | None
) -> None:
    assert longest_sequence(context, engine) == expected
