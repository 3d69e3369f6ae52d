"""Telemetry of trainers that really train: real steps, every reward, the trainer's own totals."""

import math
import os
from pathlib import Path
from typing import Any

import pytest

from tenyson.jobs.sampling._generations import GenerationRecorder
from tenyson.jobs.sampling._rewards import checked_rewards

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

pytestmark = [
    pytest.mark.train,
    pytest.mark.parametrize("target", ["sqlite"], indirect=True),
]
STEPS, GROUP, BATCH = 4, 4, 8


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer of digits and a Llama of one layer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {t: i for i, t in enumerate(["<pad>", "<eos>", *"0123456789+="])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64, bos_token_id=None, eos_token_id=1,
        pad_token_id=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(folder)
    return lambda: (LlamaForCausalLM.from_pretrained(folder), fast)


def sums() -> list[dict[str, str]]:
    return [{"prompt": f"{a}+{a}=", "completion": str(2 * a)} for a in range(5)] * 4


def has_digits(completions: list[str], **columns: Any) -> list[float]:
    return [sum(ch.isdigit() for ch in c) / 4 for c in completions]


async def is_short(completions: list[str], **columns: Any) -> list[float | None]:
    return [None if not c else 1 / (1 + len(c)) for c in completions]


def grpo(tiny: Any, folder: Path, telemetry: Any, funcs: Any, **options: Any) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from tenyson.telemetry.callbacks import GRPOEpochTelemetryCallback

    model, tokenizer = tiny()
    weights = [1.0, 0.5][: len(funcs)]
    arguments = GRPOConfig(
        output_dir=str(folder), max_steps=STEPS, per_device_train_batch_size=BATCH,
        num_generations=GROUP, max_completion_length=4, logging_steps=1, save_strategy="no",
        report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False,
        reward_weights=weights, disable_tqdm=True, **options,
    )  # fmt: skip
    recorder = GenerationRecorder(telemetry, GROUP, weights)
    return GRPOTrainer(
        model=model,
        reward_funcs=checked_rewards(funcs, recorder, weights),
        args=arguments,
        train_dataset=Dataset.from_list(sums()),
        processing_class=tokenizer,
        callbacks=[GRPOEpochTelemetryCallback(telemetry)],
    )


def test_grpo_leaves_every_generation_with_the_trainers_totals(
    tiny: Any, target: Any, open_run: Any, tmp_path: Path
) -> None:
    telemetry = open_run()
    trainer = grpo(tiny, tmp_path, telemetry, [has_digits, is_short], beta=0.04)
    trainer.train()
    counts = telemetry.close()
    rollouts, generations = target.rows("rollouts"), target.rows("generations")
    components = target.rows("reward_components")
    written = len(rollouts) + len(generations) + len(components) + STEPS
    assert counts == {"written": written, "spooled": 0}
    assert [r["step"] for r in rollouts] == [s for s in range(STEPS) for _ in range(BATCH // GROUP)]
    assert len(generations) == STEPS * BATCH
    names = {(c["generation_id"], c["name"]) for c in components}
    assert names == {(g["id"], name) for g in generations for name in ("has_digits", "is_short")}

    epochs = target.rows("epoch_metrics")
    assert [e["step"] for e in epochs] == list(range(1, STEPS + 1))
    for epoch in epochs:
        # What was sampled with n steps done is logged when step n + 1 ends.
        rewards = [g["reward"] for g in generations if g["step"] == epoch["step"] - 1]
        assert epoch["reward_mean"] == pytest.approx(math.fsum(rewards) / BATCH, abs=1e-5)
        assert epoch["kl"] is not None
        assert epoch["completion_length"] > 0
    assert epochs[-1]["entropy"] > 0


def test_grpo_without_a_reference_has_no_kl_and_samples_once_a_cycle(
    tiny: Any, target: Any, open_run: Any, tmp_path: Path
) -> None:
    telemetry = open_run()
    grpo(tiny, tmp_path, telemetry, [has_digits], num_iterations=2).train()
    telemetry.close()
    assert {e["kl"] for e in target.rows("epoch_metrics")} == {None}
    assert sorted({r["step"] for r in target.rows("rollouts")}) == [0, 2]


def test_two_rounds_of_sampling_in_one_step_are_both_there(
    tiny: Any, target: Any, open_run: Any, tmp_path: Path
) -> None:
    telemetry = open_run()
    options = {"gradient_accumulation_steps": 2, "steps_per_generation": 1}
    grpo(tiny, tmp_path, telemetry, [has_digits], **options).train()
    telemetry.close()
    assert len(target.rows("generations")) == 2 * STEPS * BATCH


def test_a_failing_reward_ends_the_training_under_its_name(
    tiny: Any, target: Any, open_run: Any, tmp_path: Path
) -> None:
    from tenyson.errors import RewardError

    async def judge(completions: list[str], trainer_state: Any, **columns: Any) -> list[float]:
        if trainer_state.global_step == 2:
            raise TimeoutError("no answer")
        return [1.0] * len(completions)

    telemetry = open_run()
    with pytest.raises(RewardError, match="Reward 'judge' raised TimeoutError: no answer"):
        grpo(tiny, tmp_path, telemetry, [has_digits, judge]).train()
    telemetry.close()
    assert sorted({r["step"] for r in target.rows("rollouts")}) == [0, 1]


def test_sft_leaves_rows_of_training_and_of_evaluation(
    tiny: Any, target: Any, open_run: Any, tmp_path: Path
) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from tenyson.telemetry.callbacks import SFTTelemetryCallback

    model, tokenizer = tiny()
    telemetry = open_run()
    arguments = SFTConfig(
        output_dir=str(tmp_path), max_steps=STEPS, per_device_train_batch_size=BATCH,
        logging_steps=2, eval_strategy="steps", eval_steps=4, save_strategy="no", report_to="none",
        use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True, max_length=16,
    )  # fmt: skip
    SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(sums()),
        eval_dataset=Dataset.from_list(sums()[:5]),
        processing_class=tokenizer,
        callbacks=[SFTTelemetryCallback(telemetry)],
    ).train()
    telemetry.close()
    rows = target.rows("sft_metrics")
    training = [row for row in rows if row["eval_loss"] is None]
    evaluation = [row for row in rows if row["eval_loss"] is not None]
    assert [row["step"] for row in training] == [2, 4]
    assert all(row["loss"] > 0 and row["learning_rate"] > 0 for row in training)
    assert all(row["grad_norm"] > 0 and row["num_tokens"] > 0 for row in training)
    assert training[-1]["epoch"] == pytest.approx(STEPS * BATCH / 20, abs=0.5)
    assert [(row["step"], row["loss"]) for row in evaluation] == [(4, None)]
    assert 0 < evaluation[0]["eval_loss"] < 10
    assert 0 <= training[0]["mean_token_accuracy"] <= 1
