"""Weights split over two ranks: the numbers of one rank, whole checkpoints, exact resumption."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.contract import ExitCode
from tests.runtime.distributed.processes import Pods
from tests.runtime.left_behind import metric_rows

pytestmark = [pytest.mark.train, pytest.mark.long, pytest.mark.timeout(600)]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in metric_rows(folder) if "loss" in row]


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_split_weights_train_as_whole_ones_and_are_saved_whole_and_exactly(
    kind: str, pods: Pods, make_config: Any, weights_of: Any, largest_difference: Any
) -> None:
    """One rank, two that split, and the same two interrupted after step 3."""
    sections: dict[str, Any] = {"adapter": {"kind": kind}, "checkpoint": {"every_steps": 3}}
    training = {"max_steps": 6, "lr_scheduler_type": "constant", "warmup_steps": 0}
    micro = {"per_device_train_batch_size": 4, "fsdp": True}
    alone = make_config(**sections, training=training)
    split = make_config(**sections, training={**training, **micro})
    half = make_config(**sections, training={**training, **micro, "max_steps": 3})

    (single,) = pods.start(alone, run="one", output_dirs=("one", ""), nodes=1)
    assert single.wait(240) == 0, single.log
    whole = pods.start(split, run="two", output_dirs=("two", "two"))
    assert [rank.wait(240) for rank in whole] == [0, 0], whole[0].log + whole[1].log
    first = pods.start(half, run="parts", output_dirs=("parts", "parts"))
    assert [rank.wait(240) for rank in first] == [0, 0], first[0].log + first[1].log
    second = pods.start(split, run="parts", attempt=1, output_dirs=("parts", "parts"))
    assert [rank.wait(240) for rank in second] == [0, 0], second[0].log + second[1].log

    one, two, parts = (pods.folder / name for name in ("one", "two", "parts"))
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    assert largest_difference(weights_of(one), weights_of(two)) < 1e-4
    saved = two / "attempt-0" / "checkpoint-6"
    assert manifest.verify(saved)["ranks"] == 2
    names = {path.name for path in saved.iterdir()}
    assert {"fsdp_part_0.pt", "fsdp_part_1.pt"} <= names
    assert "pytorch_model_fsdp.bin" not in names
    assert "Going on from attempt-0/checkpoint-3" in second[0].log
    assert largest_difference(weights_of(parts), weights_of(two)) == 0.0
    assert losses(parts) == losses(two)


def test_rl_with_split_weights_is_refused(run_runner: Any, make_config: Any) -> None:
    done = run_runner(make_config(training={"fsdp": True}), job_type="rl")

    assert done.code == ExitCode.CONFIG
    assert "training.fsdp: splits weights, and RL samples from whole ones" in done.said


def test_one_rank_has_nothing_to_split(make_config: Any, run_runner: Any) -> None:
    done = run_runner(make_config(training={"fsdp": True, "max_steps": 1}))

    assert done.code == 0
    assert "training.fsdp has no effect" in done.result.warnings[0]
