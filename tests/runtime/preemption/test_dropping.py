"""A step that cannot end before the kill is dropped, and the run is the same to the last bit."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import StoppedError
from tenyson.jobs.options import RunOptions
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tenyson.jobs.stop import StopRequest
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train
GRACE_SECONDS = 3.0
_BY_CLOCK = ("_per_second", "_runtime", "_preparation_time")
SLOW_SECONDS = 0.25
"""What a forward pass takes once the stop is asked for: no step ends in time then."""


class Slowness:
    """Asks for a stop at the first forward pass it is armed for, and slows down all after it."""

    def __init__(self) -> None:
        self.stop = StopRequest()
        self.step: int | None = None
        self.passes = 0
        self.is_in: Callable[[], bool] = lambda: True

    def arm(self, step: int, after: int = 0, is_in: Callable[[], bool] = lambda: True) -> None:
        """Asks within the step after `step`, `after` forward passes into it."""
        self.step, self.passes, self.is_in = step, -after, is_in

    def on_forward(self, step: int) -> None:
        if step != self.step or not self.is_in():
            return
        self.passes += 1
        if self.passes == 1:
            self.stop.make("SIGTERM", seconds=GRACE_SECONDS)
        if self.passes > 0:
            time.sleep(SLOW_SECONDS)


@pytest.fixture
def slowness(monkeypatch: pytest.MonkeyPatch) -> Slowness:
    from tenyson.jobs.preemption import _stopping

    slow = Slowness()
    hooked = _stopping._before_each_forward

    def hook(model: Any, action: Any) -> Any:
        def slowly() -> None:
            slow.on_forward(trainer[0].state.global_step)
            action()

        return hooked(model, slowly)

    take_edge = _stopping.StopsInTime.take_edge
    trainer: list[Any] = []

    def take(self: Any) -> None:
        trainer[:] = [self]
        take_edge(self)

    monkeypatch.setattr(_stopping, "_before_each_forward", hook)
    monkeypatch.setattr(_stopping.StopsInTime, "take_edge", take)
    return slow


def saved(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("attempt-*/checkpoint-*"))


def rows(folder: Path) -> list[dict[str, Any]]:
    """The metrics of every step, without what a clock says."""
    rows = metric_rows(folder, without=("time", "step_time", "attempt"))
    return [{k: v for k, v in row.items() if not k.endswith(_BY_CLOCK)} for row in rows]


CASES: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "between the tokens of a generation": (RLJob, 2, {"rl": {"max_completion_length": 24}}),
    "in training, with a round to be used again": (
        RLJob,
        9,  # the first round of the step is sampled and partly trained on
        {"rl": {"num_iterations": 2, "steps_per_generation": 4},
         "training": {"gradient_accumulation_steps": 16, "per_device_train_batch_size": 4}},
    ),
    "between micro-batches": (
        SFTJob,
        2,
        {"training": {"gradient_accumulation_steps": 16, "per_device_train_batch_size": 1},
         "adapter": {"dropout": 0.2}},
    ),
    "between micro-batches, all weights": (
        SFTJob,
        2,
        {"training": {"gradient_accumulation_steps": 16, "per_device_train_batch_size": 1},
         "adapter": {"kind": "full"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_dropped_step_is_done_again_exactly(
    name: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    slowness: Slowness,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    job, after, sections = CASES[name]
    config = make_config(
        **{**sections, "training": {"max_steps": 4, **sections.get("training", {})}}
    )
    whole = job(config, sum_task, output_dir=tmp_path / "whole").run()
    slowness.arm(step=2, after=after)
    options = RunOptions(stop=slowness.stop)
    stopped = job(config, sum_task, output_dir=tmp_path / "parts", options=options)

    with pytest.raises(StoppedError, match="after step 2 of 4; its checkpoint is saved") as raised:
        stopped.run()

    assert raised.value.exit_code == 75
    assert slowness.stop.remaining_seconds > 0
    assert saved(tmp_path / "parts") == ["attempt-0/checkpoint-2"]
    slowness.step = None
    resumed = job(config, sum_task, output_dir=tmp_path / "parts", attempt=1).run()
    assert (resumed.resumed_from_step, resumed.global_step) == (2, whole.global_step)
    assert rows(tmp_path / "whole") == rows(tmp_path / "parts")
    difference = largest_difference(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))
    assert difference == 0.0


def test_a_step_that_ends_in_time_is_finished(
    make_config: Any, sum_task: Any, tmp_path: Path, slowness: Slowness
) -> None:
    slowness.arm(step=2)
    options = RunOptions(stop=slowness.stop)  # a step of SFT has one forward pass

    with pytest.raises(StoppedError, match="after step 3 of 6; its checkpoint is saved"):
        SFTJob(make_config(), sum_task, output_dir=tmp_path, options=options).run()

    assert saved(tmp_path) == ["attempt-0/checkpoint-3"]


def test_a_step_is_dropped_without_a_save_where_the_edge_is_saved(
    make_config: Any, sum_task: Any, tmp_path: Path, slowness: Slowness
) -> None:
    slowness.arm(step=2)
    config = make_config(checkpoint={"every_steps": 1}, rl={"max_completion_length": 24})
    job = RLJob(config, sum_task, output_dir=tmp_path, options=RunOptions(stop=slowness.stop))

    with pytest.raises(StoppedError, match="after step 2 of 6; its checkpoint is saved"):
        job.run()

    assert saved(tmp_path) == ["attempt-0/checkpoint-1", "attempt-0/checkpoint-2"]


def test_a_stop_in_the_first_step_saves_nothing_and_says_so(
    make_config: Any, sum_task: Any, tmp_path: Path, slowness: Slowness
) -> None:
    slowness.arm(step=0)
    config = make_config(rl={"max_completion_length": 24})
    job = RLJob(config, sum_task, output_dir=tmp_path, options=RunOptions(stop=slowness.stop))

    with pytest.raises(StoppedError, match="before the first step was done") as raised:
        job.run()

    assert "starts from the beginning" in raised.value.hint
    assert saved(tmp_path) == []


@pytest.mark.parametrize("moment", ["in the middle", "at the end"])
def test_an_evaluation_that_is_dropped_is_done_by_the_next_attempt(
    moment: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    slowness: Slowness,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    import torch

    config = make_config(
        task={"sft_eval": True},
        training={"eval_steps": 3, "per_device_eval_batch_size": 1},
        adapter={"dropout": 0.2},
    )
    SFTJob(config, sum_task, output_dir=tmp_path / "whole").run()
    step = 3 if moment == "in the middle" else 6
    slowness.arm(step=step, after=2, is_in=lambda: not torch.is_grad_enabled())
    options = RunOptions(stop=slowness.stop)

    with pytest.raises(StoppedError, match="Stopped on request"):
        SFTJob(config, sum_task, output_dir=tmp_path / "parts", options=options).run()

    assert saved(tmp_path / "parts") == [f"attempt-0/checkpoint-{step}"]
    slowness.step = None
    SFTJob(config, sum_task, output_dir=tmp_path / "parts", attempt=1).run()
    whole, parts = rows(tmp_path / "whole"), rows(tmp_path / "parts")
    assert [row["step"] for row in parts if "eval_loss" in row] == [3, 6]
    assert whole == parts
    difference = largest_difference(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))
    assert difference == 0.0
