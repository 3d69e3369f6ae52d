"""A policy that collapses is stopped while its reward still rises; one that learns is not."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train
TASK = f"{Path(__file__).with_name('closeness_task.py')}:ClosenessTask"


def config_of(make_config: Any, learning_rate: float, steps: int) -> dict[str, Any]:
    config: dict[str, Any] = make_config(
        adapter={"kind": "full"},
        training={
            "max_steps": steps,
            "per_device_train_batch_size": 64,
            "learning_rate": learning_rate,
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
        },
        rl={"num_generations": 8, "max_completion_length": 2},
        guards={"clipped": "off"},  # the model has no need to end
    )
    return config


@pytest.mark.timeout(120)
def test_a_collapse_is_stopped_though_the_reward_has_risen(
    make_config: Any, run_runner: Any
) -> None:
    ended = run_runner(config_of(make_config, 0.03, 60), job_type="rl", task=TASK)

    assert (ended.code, ended.result.status) == (ExitCode.DIVERGED, "diverged")
    failure = ended.result.failure
    assert failure.message.startswith("Guard entropy: the policy's entropy")
    assert "lower training.learning_rate" in failure.hint
    curve = metric_rows(ended.folder)
    assert len(curve) < 45
    assert curve[0]["entropy"] > 4
    assert curve[-1]["entropy"] < 0.03
    assert curve[-1]["reward"] > 2 * curve[0]["reward"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_policy_that_learns_is_left_alone(make_config: Any, run_runner: Any) -> None:
    ended = run_runner(config_of(make_config, 0.003, 60), job_type="rl", task=TASK)

    assert ended.code == 0
    assert ended.result.warnings == []
    curve = metric_rows(ended.folder)
    assert sum(r["reward"] for r in curve[-10:]) > 2 * sum(r["reward"] for r in curve[:10])
