"""RL with vLLM beside the training; needs a GPU and `tenyson[vllm]`."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.jobs.rl import RLJob
from tests.runtime.left_behind import metric_rows

pytestmark = [pytest.mark.gpu, pytest.mark.train]


@pytest.mark.parametrize("sleeps", [True, False])
def test_vllm_samples_from_the_weights_that_are_trained(
    sleeps: bool, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    pytest.importorskip("vllm")
    config = make_config(
        rl={"engine": "vllm"},
        vllm={"enable_sleep_mode": sleeps, "enforce_eager": True, "max_model_length": 64},
        training={"max_steps": 4, "learning_rate": 0.01},
    )

    RLJob(config, sum_task, output_dir=tmp_path).run()

    rows = metric_rows(tmp_path)
    assert len(rows) == 4
    # Weights that were not pushed would lie further and further from those that are trained.
    assert all(row["sampling/sampling_logp_difference/mean"] < 0.05 for row in rows)
