import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import OutOfMemoryError, RewardError, TaskError
from tenyson.jobs.rl import RLJob

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
        completions = database.execute("select step, rewards, reward from generations").fetchall()
        curves = database.execute("select step from epoch_metrics order by step").fetchall()
    assert [step for step, _, _ in completions] == [0] * 8 + [1] * 8 + [2] * 8
    assert curves == [(1,), (2,), (3,)]
    for _, rewards, total in completions:
        assert total == pytest.approx(sum(json.loads(rewards).values()))
    assert result.telemetry["spooled"] == 0


def test_rewards_rise(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(
        adapter={"kind": "full"},
        training={"max_steps": 15, "per_device_train_batch_size": 32, "learning_rate": 0.01},
    )

    RLJob(config, sum_task, output_dir=tmp_path).run()

    lines = (tmp_path / File.METRICS).read_text(encoding="utf-8").splitlines()
    rewards = [json.loads(line)["reward"] for line in lines]
    assert sum(rewards[-5:]) > 1.2 * sum(rewards[:5])


@pytest.mark.parametrize(
    ("case", "error", "says"),
    [
        ({"reward": "raising_reward"}, RewardError, "'raising_reward' raised KeyError"),
        ({"reward": "short_reward"}, RewardError, "'short_reward' returned 1 values"),
        ({"reward": "nan_reward"}, RewardError, "'nan_reward' returned nan for row 0: prompt"),
        ({"reward": "memory_reward"}, OutOfMemoryError, "no room for the rewards"),
        ({"rl_rows": [{"question": "1+1"}]}, TaskError, "get_rl_dataset returned rows without"),
        ({"rl_rows": [{"prompt": "1+1="}]}, TaskError, "get_rl_dataset returned 1 prompts"),
    ],
    ids=["raises", "length", "nan", "memory", "columns", "too few"],
)
def test_a_reward_or_dataset_that_fails_fails_the_run(
    case: dict[str, Any],
    error: type[Exception],
    says: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
) -> None:
    job = RLJob(make_config(task=case), sum_task, output_dir=tmp_path)

    with pytest.raises(error) as raised:
        job.run()

    assert says in str(raised.value)
    assert job.result is not None
    expected = ExitCode.OUT_OF_MEMORY if error is OutOfMemoryError else ExitCode.TASK
    assert job.result.exit_code == expected
    assert (tmp_path / File.JOB_RESULT).is_file()
