"""Guards on two ranks: both go back together, and both end alike."""

from typing import Any

import pytest

from tenyson.contract import ExitCode
from tests.runtime.distributed.processes import Pods

pytestmark = [pytest.mark.train, pytest.mark.long, pytest.mark.timeout(300)]


def test_two_ranks_go_back_and_stop_alike(pods: Pods, make_config: Any) -> None:
    config = make_config(
        training={"per_device_train_batch_size": 4},
        checkpoint={"every_steps": 1},
        guards={"clipped": "rollback", "max_clipped_share": 0.0, "patience": 3},
    )

    ranks = pods.start(config, job_type="rl")

    assert [rank.wait(120) for rank in ranks] == [ExitCode.DIVERGED] * 2, ranks[0].log
    assert "with half the learning rate" in ranks[0].log
    for rank in ranks:
        assert rank.message.failure is not None
        assert "Guard clipped" in rank.message.failure.message


def test_two_ranks_end_on_the_same_edge_where_the_budget_is_used_up(
    pods: Pods, make_config: Any
) -> None:
    config = make_config(budget={"max_tokens": 200})

    ranks = pods.start(config)

    assert [rank.wait(120) for rank in ranks] == [ExitCode.BUDGET] * 2, ranks[0].log
    assert ranks[0].message.status == "budget"
    assert 0 < ranks[0].message.global_step < 6
    assert (pods.folder / "out/checkpoint-final/adapter_model.safetensors").is_file()
