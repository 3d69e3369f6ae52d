"""How much memory a job will need, by the sizes of its model."""

from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.jobs.limits.memory import GIB, estimate
from tenyson.jobs.models.model_shape import ModelShape

LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
}
QWEN_0_6B = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
MIXTRAL = {
    **LLAMA_8B,
    "vocab_size": 32000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "model_type": "mixtral",
}
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257}


def config_of(**sections: Any) -> Any:
    return parse_config({"model": {"name": "m"}, **sections}, JobType.SFT)


@pytest.mark.parametrize(
    ("config", "published"),
    [(LLAMA_8B, 8.03e9), (QWEN_0_6B, 0.596e9), (MIXTRAL, 46.7e9)],
    ids=["Llama 3.1 8B", "Qwen3 0.6B", "Mixtral 8x7B"],
)
def test_the_weights_of_known_models_are_counted(config: Any, published: float) -> None:
    assert ModelShape.of(config).parameters == pytest.approx(published, rel=0.01)


def test_models_without_a_gate_and_with_a_text_part_are_read() -> None:
    gpt2 = ModelShape.of({**GPT2, "tie_word_embeddings": True})

    assert gpt2.parameters == pytest.approx(124e6, rel=0.02)
    assert ModelShape.of({"text_config": QWEN_0_6B, "tie_word_embeddings": True}).hidden == 1024


def test_a_size_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="num_hidden_layers"):
        ModelShape.of({"hidden_size": 8, "num_attention_heads": 2})


def test_lora_on_eight_billion_weights_needs_what_is_known_of_it() -> None:
    # torchtune publishes 16.2 GiB for LoRA of an 8B model on one GPU.
    training = {"per_device_train_batch_size": 1}
    config = config_of(training=training, adapter={"r": 8}, data={"max_length": 2048})

    found = estimate(LLAMA_8B, config, JobType.SFT)

    assert found.weights == pytest.approx(14.96 * GIB, rel=0.01)
    assert 16 * GIB < found.total < 20 * GIB
    assert found.kv_cache == found.reference == 0


def test_each_part_follows_what_it_depends_on() -> None:
    plain = estimate(LLAMA_8B, config_of(), JobType.SFT)

    def other(**sections: Any) -> Any:
        return estimate(LLAMA_8B, config_of(**sections), JobType.SFT)

    full = other(adapter={"kind": "full"})
    assert full.weights == 2 * plain.weights  # float32
    assert full.optimizer == 2 * full.gradients
    assert other(adapter={"kind": "full"}, training={"optim": "adamw_8bit"}).optimizer == (
        full.optimizer // 4
    )
    assert other(adapter={"kind": "qlora"}).weights < 0.4 * plain.weights
    assert other(adapter={"r": 32}).adapter == 2 * plain.adapter
    kept = other(training={"gradient_checkpointing": False})
    assert kept.activations > 5 * plain.activations
    halved = other(training={"per_device_train_batch_size": 4})
    assert halved.activations == plain.activations // 2
    assert halved.logits == plain.logits == 4096 * 32768 * 2  # one part at a time


def test_sampling_and_training_take_turns() -> None:
    rl = {"num_generations": 8, "max_completion_length": 512}
    whole = estimate(QWEN_0_6B, config_of(rl=rl), JobType.RL)
    parts = estimate(QWEN_0_6B, config_of(rl={**rl, "sampling_batch_size": 2}), JobType.RL)
    steps = estimate(QWEN_0_6B, config_of(rl={**rl, "steps_per_generation": 16}), JobType.RL)

    assert parts.kv_cache == whole.kv_cache // 4
    assert steps.kv_cache == 16 * whole.kv_cache
    assert steps.total - whole.total < steps.kv_cache - whole.kv_cache
    reference = config_of(rl={**rl, "beta": 0.1}, adapter={"kind": "full"})
    found = estimate(QWEN_0_6B, reference, JobType.RL)
    assert found.reference == found.weights


def test_a_vllm_that_stays_awake_comes_on_top_of_the_training() -> None:
    def total(vllm_bytes: int, **vllm: Any) -> int:
        config = config_of(vllm=vllm)
        return estimate(QWEN_0_6B, config, JobType.RL, vllm_bytes=vllm_bytes).total

    share, training = 100 * GIB, total(1)
    assert total(share, enable_sleep_mode=False) == training + share
    assert share < total(share) < training + share


def test_an_evaluation_trains_nothing() -> None:
    found = estimate(QWEN_0_6B, config_of(), JobType.EVAL)

    assert found.gradients == found.optimizer == found.activations == found.logits == 0
    assert found.kv_cache > 0


def test_the_line_names_the_largest_part_first() -> None:
    text = estimate(LLAMA_8B, config_of(), JobType.SFT).describe(24 * GIB)

    assert text.startswith("about ")
    assert "of 24.0 (weights 15" in text
    assert "kv_cache" not in text
