"""An interrupted run ends with the same weights as one that was left alone: difference 0.0."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import StoppedError
from tenyson.jobs.options import RunOptions
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tenyson.jobs.stop import StopRequest
from tests.runtime.left_behind import BY_CLOCK, metric_rows
from tests.runtime.sum_task import rows

pytestmark = pytest.mark.train


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks for a stop while a step is under way, as a signal would."""
    from transformers import TrainerCallback

    from tenyson.jobs.preemption import _edge

    class AskInStep(TrainerCallback):  # type: ignore[misc]
        step, stop = 0, StopRequest()

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step + 1 == self.step:
                self.stop.make("SIGTERM")

    begin = AskInStep.on_step_begin
    monkeypatch.setattr(
        _edge.EdgeCallback, "on_step_begin", lambda self, *a, **k: begin(asking, *a, **k)
    )
    asking = AskInStep()

    def arm(step: int) -> StopRequest:
        asking.step, asking.stop = step, StopRequest()
        return asking.stop

    return arm


EIGHT_PROMPTS = {"rl_rows": rows(8)}
TWO_MICRO_BATCHES = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}

CASES: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "sft": (SFTJob, 3, {}),
    "sft, dropout": (SFTJob, 3, {"adapter": {"dropout": 0.2}}),
    "sft, full": (SFTJob, 2, {"adapter": {"kind": "full"}}),
    "sft, packed": (SFTJob, 3, {"data": {"packing": True}}),
    "sft, in the second epoch": (
        SFTJob,
        5,
        {"training": {**TWO_MICRO_BATCHES, "max_steps": 7}, "task": {"sft_rows": rows(32)}},
    ),
    "sft, a collator that draws": (SFTJob, 3, {"task": {"collator": "noisy"}}),
    "rl": (RLJob, 3, {}),
    "rl, inside a round": (RLJob, 3, {"rl": {"steps_per_generation": 4}}),
    "rl, between iterations": (RLJob, 3, {"rl": {"num_iterations": 2}}),
    "rl, reference": (RLJob, 3, {"rl": {"beta": 0.1}}),
    "rl, in the second epoch": (RLJob, 5, {"task": EIGHT_PROMPTS}),
}
MORE_CASES: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "sft, dora": (SFTJob, 3, {"adapter": {"kind": "dora"}}),
    "sft, at an epoch's edge": (
        SFTJob,
        8,
        {"training": {"max_steps": None, "num_train_epochs": 1.5}},
    ),
    "sft, a row of metrics under way": (SFTJob, 4, {"training": {"logging_steps": 3}}),
    "sft, packed, in the second epoch": (
        SFTJob,
        5,
        {"data": {"packing": True}, "training": {"per_device_train_batch_size": 3}},
    ),
    "rl, full": (RLJob, 3, {"rl": {"beta": 0.1}, "adapter": {"kind": "full"}}),
    "rl, between rounds": (RLJob, 4, {"rl": {"steps_per_generation": 4}}),
    "rl, between rounds of iterations": (RLJob, 4, {"rl": {"num_iterations": 2}}),
    "rl, rounds and iterations": (
        RLJob,
        3,
        {"rl": {"steps_per_generation": 2, "num_iterations": 2}, "adapter": {"dropout": 0.2}},
    ),
    "rl, accumulation inside a round": (
        RLJob,
        3,
        {"training": TWO_MICRO_BATCHES, "rl": {"steps_per_generation": 8}},
    ),
    "rl, at an epoch's edge": (RLJob, 4, {"task": EIGHT_PROMPTS}),
    "rl, a row of metrics under way": (RLJob, 4, {"training": {"logging_steps": 3}}),
}
MORE = [pytest.param(name, marks=pytest.mark.long) for name in MORE_CASES]


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_a_resumed_run_is_exact(
    name: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    stop_at: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    job, step, sections = (CASES | MORE_CASES)[name]
    compare_with_uninterrupted(
        job, step, make_config(**sections), sum_task, tmp_path, stop_at,
        weights_of, largest_difference,
    )  # fmt: skip


def test_rl_from_an_adapter_with_a_reference_is_exact(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    stop_at: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    SFTJob(make_config(), sum_task, output_dir=tmp_path / "sft").run()
    config = make_config(rl={"beta": 0.1}, adapter={"path": str(tmp_path / "sft")})

    compare_with_uninterrupted(
        RLJob, 3, config, sum_task, tmp_path, stop_at, weights_of, largest_difference
    )


def compare_with_uninterrupted(
    job: Any,
    step: int,
    config: dict[str, Any],
    task: Any,
    folder: Path,
    stop_at: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    whole = job(config, task, output_dir=folder / "whole").run()
    options = RunOptions(stop=stop_at(step))
    stopped = job(config, task, output_dir=folder / "parts", options=options)
    with pytest.raises(StoppedError, match=f"after step {step} of"):
        stopped.run()
    stop_at(0)

    resumed = job(config, task, output_dir=folder / "parts", attempt=1).run()

    assert stopped.result.global_step == resumed.resumed_from_step == step
    assert resumed.global_step == whole.global_step
    difference = largest_difference(weights_of(folder / "whole"), weights_of(folder / "parts"))
    assert difference == 0.0
    left, right = (curve(folder / part) for part in ("whole", "parts"))
    assert left == right


def checkpoints(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("attempt-*/checkpoint-*"))


def curve(folder: Path) -> list[dict[str, Any]]:
    return metric_rows(folder, without=BY_CLOCK)


def test_a_damaged_checkpoint_falls_back_to_an_older_one(
    make_config: Any, sum_task: Any, tmp_path: Path, weights_of: Any, largest_difference: Any
) -> None:
    config = make_config(checkpoint={"every_steps": 2})
    whole = SFTJob(config, sum_task, output_dir=tmp_path / "whole").run()
    SFTJob(config, sum_task, output_dir=tmp_path / "parts").run()
    weights = tmp_path / "parts/attempt-0/checkpoint-6/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    shutil.rmtree(tmp_path / "parts" / File.FINAL_CHECKPOINT)  # else the run is done

    again = SFTJob(config, sum_task, output_dir=tmp_path / "parts", attempt=1).run()

    assert again.resumed_from_step == 4
    assert "checkpoint-6" in again.warnings[0]
    assert again.adapter_sha256 == whole.adapter_sha256


def test_a_finished_run_started_again_trains_no_further(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(checkpoint={"every_steps": 2})
    first = SFTJob(config, sum_task, output_dir=tmp_path).run()

    second = SFTJob(config, sum_task, output_dir=tmp_path, attempt=1).run()

    assert second.global_step == 6
    assert second.adapter_sha256 == first.adapter_sha256
    assert len(curve(tmp_path)) == 6
    assert second.manifest_uri == first.manifest_uri == str(tmp_path / File.MANIFEST)


def test_resume_never_starts_anew_and_older_checkpoints_go_by_their_number(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(checkpoint={"every_steps": 4})
    SFTJob(config, sum_task, output_dir=tmp_path).run()

    config = make_config(checkpoint={"every_steps": 2, "resume": "never"})
    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.resumed_from_step == 0
    assert checkpoints(tmp_path) == [f"attempt-1/checkpoint-{step}" for step in (2, 4, 6)]
    assert [row["step"] for row in curve(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_more_epochs_than_were_trained_are_trained(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    def train(epochs: float) -> Any:
        training = {**TWO_MICRO_BATCHES, "max_steps": None, "num_train_epochs": epochs}
        config = make_config(
            task={"sft_rows": rows(16)}, training=training, checkpoint={"every_steps": 1}
        )
        return SFTJob(config, sum_task, output_dir=tmp_path, run_id="run").run()

    once = train(1.0)
    assert (once.global_step, once.resumed_from_step) == (2, 0)
    twice = train(2.0)

    assert (twice.global_step, twice.resumed_from_step) == (4, 2)
