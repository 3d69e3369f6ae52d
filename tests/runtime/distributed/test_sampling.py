"""Two ranks that sample apart and must decide together: further rounds, further turns."""

from typing import Any

import pytest

from tests.runtime.distributed.processes import Pods
from tests.runtime.distributed.test_training import curve

pytestmark = [pytest.mark.train, pytest.mark.long, pytest.mark.timeout(300)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_two_ranks_replace_groups_together(pods: Pods, make_config: Any) -> None:
    config = make_config(
        task={"rewards": ["hard_prompts_reward"]},
        training={"max_steps": 6, "per_device_train_batch_size": 8, "learning_rate": 1e-4},
        rl={"filter_zero_variance": True},
    )

    ranks = pods.start(config, job_type="rl")

    assert [rank.wait() for rank in ranks] == [0, 0], ranks[0].log + ranks[1].log
    rows = curve(pods.folder / "out")
    share, left = ([row[f"zero_variance_{n}"] for row in rows] for n in ("share", "left"))
    assert {round(value * 4) for value in share} <= set(range(5))  # of both ranks' four groups
    assert mean(share) > 0.3
    assert mean(left) < mean(share) / 2


def test_two_ranks_play_episodes_that_end_apart(pods: Pods, make_config: Any) -> None:
    rows = [{"id": f"r{i}", "question": f"{i % 5}+{i // 5}="} for i in range(25)]
    config = make_config(
        task={"environment": "stopping", "rl_rows": rows, "rewards": ["info_reward"]},
        training={"max_steps": 6, "per_device_train_batch_size": 4},
        rl={"max_completion_length": 3, "max_turns": 6},
    )

    ranks = pods.start(config, job_type="rl")

    assert [rank.wait() for rank in ranks] == [0, 0], ranks[0].log + ranks[1].log
    turns = [row["episodes/turns"] for row in curve(pods.folder / "out")]
    assert len(turns) == 6
    assert len(set(turns)) > 1
