import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import ConfigError, OutOfMemoryError, RewardError, TaskError
from tenyson.jobs.rl import RLJob
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train


def test_a_run_records_every_reward_and_every_completion(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/telemetry.db"
    config = make_config(telemetry={"db_url": url}, training={"max_steps": 3})

    result = RLJob(config, sum_task, output_dir=tmp_path / "out").run()

    assert result.status == "success"
    assert {"reward", "rewards/digit_reward/mean", "rewards/length_reward/mean"} <= (
        result.metrics.keys()
    )
    with sqlite3.connect(tmp_path / "telemetry.db") as database:
        completions = database.execute(
            "select generations.step, sum(value), reward from generations"
            " join reward_components on generation_id = id group by id order by generations.step"
        ).fetchall()
        curves = database.execute("select step from epoch_metrics order by step").fetchall()
    assert [step for step, _, _ in completions] == [0] * 8 + [1] * 8 + [2] * 8
    assert curves == [(1,), (2,), (3,)]
    for _, rewards, total in completions:
        assert total == pytest.approx(rewards)
    assert result.telemetry["spooled"] == 0


def test_rewards_rise(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(
        adapter={"kind": "full"},
        training={"max_steps": 15, "per_device_train_batch_size": 32, "learning_rate": 0.01},
    )

    RLJob(config, sum_task, output_dir=tmp_path).run()

    rewards = [row["reward"] for row in metric_rows(tmp_path)]
    assert sum(rewards[-5:]) > 1.2 * sum(rewards[:5])


def test_the_engine_and_why_it_was_taken_stand_in_the_manifest(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    RLJob(make_config(training={"max_steps": 1}), sum_task, output_dir=tmp_path).run()

    manifest = json.loads((tmp_path / File.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["engine"] == {"engine": "hf", "why": "there is no GPU"}


def test_vllm_on_a_cpu_is_refused_before_the_model_is_loaded(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(model={"name": "no/such-model"}, rl={"engine": "vllm"})

    with pytest.raises(ConfigError, match=r"rl\.engine: vllm is asked for, but on a CPU"):
        RLJob(config, sum_task, output_dir=tmp_path).run()


def test_vllm_beside_the_training_gets_what_the_configuration_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trl import GRPOConfig
    from trl.generation import vllm_generation

    from tenyson.config.rl import VLLMConfig
    from tenyson.jobs.sampling._engines import vllm_arguments, vllm_settings

    config = VLLMConfig(max_model_length=2048, enforce_eager=True, enable_prefix_caching=False)
    arguments = vllm_arguments(config, "vespo")
    known = {field.name for field in dataclasses.fields(GRPOConfig)}
    assert arguments.keys() <= known
    assert arguments["vllm_gpu_memory_utilization"] == 0.3
    assert arguments["vllm_max_model_length"] == 2048
    assert arguments["vllm_enable_sleep_mode"] is True
    assert arguments["vllm_importance_sampling_mode"] == "token_mask"

    monkeypatch.setattr(vllm_generation, "LLM", dict, raising=False)
    with vllm_settings(config):
        started = vllm_generation.LLM(model="m", max_num_seqs=8)
    assert started == {
        "model": "m", "max_num_seqs": 8, "enforce_eager": True, "enable_prefix_caching": False,
    }  # fmt: skip
    assert vllm_generation.LLM is dict


@pytest.mark.parametrize(
    ("case", "error", "says"),
    [
        ({"reward": "raising_reward"}, RewardError, "'raising_reward' raised KeyError"),
        ({"reward": "short_reward"}, RewardError, "'short_reward' returned 1 values"),
        (
            {"reward": "nan_reward"},
            RewardError,
            "'nan_reward' returned nan for row 0 (id r38)",
        ),
        (
            {"reward": "hanging_reward"},
            RewardError,
            "'hanging_reward' did not answer within rl.reward_timeout_seconds = 0.5",
        ),
        ({"reward": "memory_reward"}, OutOfMemoryError, "no room for the rewards"),
        ({"rl_rows": [{"question": "1+1"}]}, TaskError, "get_rl_dataset returned rows without"),
        ({"rl_rows": [{"prompt": "1+1="}]}, TaskError, "get_rl_dataset returned 1 prompts"),
        (
            {"rl_rows": [{"id": f"r{i}", "prompt": "1+" * 40 * i} for i in range(1, 5)]},
            TaskError,
            "The prompt in row 3 of get_rl_dataset has 320 tokens, the model's context",
        ),
        ({"weights": [1.0]}, RewardError, "has 1 numbers for 2 reward functions"),
        ({"weights": "ab"}, TaskError, "get_reward_weights returned 'ab'; expected one number"),
    ],
    ids=[
        "raises",
        "length",
        "nan",
        "hangs",
        "memory",
        "columns",
        "too few",
        "too long",
        "weights",
        "no weights",
    ],
)
def test_a_reward_or_dataset_that_fails_fails_the_run(
    case: dict[str, Any],
    error: type[Exception],
    says: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
) -> None:
    config = make_config(task=case, rl={"reward_timeout_seconds": 0.5})
    job = RLJob(config, sum_task, output_dir=tmp_path)

    with pytest.raises(error) as raised:
        job.run()

    assert says in str(raised.value)
    assert job.result is not None
    expected = ExitCode.OUT_OF_MEMORY if error is OutOfMemoryError else ExitCode.TASK
    assert job.result.exit_code == expected
    assert (tmp_path / File.JOB_RESULT).is_file()
