"""Several ranks drop a step together, at the same micro-batch, and go on exactly."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tests.runtime.distributed.processes import Pods, RankProcess
from tests.runtime.sum_task import rows

pytestmark = [pytest.mark.train, pytest.mark.long, pytest.mark.timeout(900)]
MICRO_BATCHES = 1000
GRACE = {Env.GRACE_SECONDS: "3"}


@pytest.fixture
def pods(tmp_path: Path, task_file: Path) -> Iterator[Pods]:
    made = Pods(tmp_path, task_file)
    yield made
    made.close()


def test_ranks_drop_a_long_step_together(
    pods: Pods, make_config: Any, tmp_path: Path, weights_of: Any, largest_difference: Any
) -> None:
    config = make_config(
        task={"sft_rows": rows(2 * MICRO_BATCHES)},
        training={
            "max_steps": 4,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": MICRO_BATCHES,
        },
    )
    whole = pods.start(config, run="whole", output_dirs=("whole", "whole"))
    assert [rank.wait(600) for rank in whole] == [0, 0], whole[0].log
    stopped = pods.start(config, output_dirs=("run", "run"), extra=(GRACE, GRACE))
    wait_for_step(stopped[0], tmp_path / "run", 2)
    asked = time.monotonic()

    os.kill(stopped[1].process.pid or 0, signal.SIGTERM)  # its node goes, the other's does not

    assert [rank.wait(60) for rank in stopped] == [ExitCode.STOPPED] * 2, stopped[0].log
    assert time.monotonic() - asked < 8
    assert "after step 2 of 4; its checkpoint is saved" in stopped[0].message.failure.message
    resumed = pods.start(config, attempt=1, output_dirs=("run", "run"))
    assert [rank.wait(600) for rank in resumed] == [0, 0], resumed[0].log
    assert resumed[0].message.resumed_from_step == 2
    weights = [weights_of(tmp_path / name) for name in ("whole", "run")]
    assert largest_difference(*weights) == 0.0


def wait_for_step(rank: RankProcess, output: Path, step: int) -> None:
    """Returns when the step is done, and the next one well under way."""
    metrics, until = output / File.METRICS, time.monotonic() + 300
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= step):
        assert time.monotonic() < until, rank.log
        time.sleep(0.05)
    time.sleep(0.5)
