"""What `spec.checkpoint` becomes in a run: every_steps, every_seconds, keep, resume."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import CheckpointError
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train


def checkpoints(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("attempt-*/checkpoint-*"))


def fail_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Makes the next trainings fail in the step after `step`."""
    from tenyson.jobs.training._trainers import TenysonSFTTrainer

    train_step = TenysonSFTTrainer.training_step

    def step_or_fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step:
            raise ValueError("a bug")
        return train_step(self, *args, **kwargs)

    monkeypatch.setattr(TenysonSFTTrainer, "training_step", step_or_fail)


@pytest.mark.parametrize(
    ("settings", "saved"),
    [
        ({"every_steps": 2}, [2, 4, 6]),
        ({"every_steps": 2, "keep": 1}, [6]),
        ({"every_seconds": 0.001, "keep": 2, "max_save_share": 1.0}, [5, 6]),
        ({"every_seconds": 3600}, []),
    ],
    ids=["steps", "keep 1", "seconds", "a long time"],
)
def test_checkpoints_are_saved_and_kept_as_asked(
    settings: dict[str, Any], saved: list[int], make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    SFTJob(make_config(checkpoint=settings), sum_task, output_dir=tmp_path).run()

    assert checkpoints(tmp_path) == [f"attempt-0/checkpoint-{step}" for step in saved]
    assert (tmp_path / File.FINAL_CHECKPOINT).is_dir()


@pytest.mark.parametrize(("resume", "starts_at"), [("auto", 4), ("never", 0), (2, 2)])
def test_an_attempt_after_a_failure_starts_where_it_is_asked_to(
    resume: Any,
    starts_at: int,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"every_steps": 2, "resume": resume}
    first = make_config(checkpoint={**asked, "resume": "auto" if resume == 2 else resume})
    with monkeypatch.context() as patch:
        fail_at(patch, 5)
        with pytest.raises(ValueError, match="a bug"):
            SFTJob(first, sum_task, run_id="r", attempt=0, output_dir=tmp_path).run()
    assert checkpoints(tmp_path) == ["attempt-0/checkpoint-2", "attempt-0/checkpoint-4"]

    config = make_config(checkpoint=asked)
    result = SFTJob(config, sum_task, run_id="r", attempt=1, output_dir=tmp_path).run()

    assert (result.resumed_from_step, result.global_step) == (starts_at, 6)


def test_the_step_to_go_back_to_outlives_what_comes_after_it(
    make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SFTJob(make_config(checkpoint={"every_steps": 2}), sum_task, output_dir=tmp_path).run()
    config = make_config(checkpoint={"every_steps": 1, "keep": 1, "resume": 2})

    for _ in range(2):
        with monkeypatch.context() as patch:
            fail_at(patch, 4)
            with pytest.raises(ValueError, match="a bug"):
                SFTJob(config, sum_task, output_dir=tmp_path).run()
    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.resumed_from_step == 2
    assert checkpoints(tmp_path) == ["attempt-0/checkpoint-2", "attempt-3/checkpoint-6"]


def test_a_step_that_was_never_saved_is_refused(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    job = SFTJob(make_config(checkpoint={"resume": 40}), sum_task, output_dir=tmp_path)

    with pytest.raises(CheckpointError, match="no checkpoint of step 40") as raised:
        job.run()

    assert raised.value.exit_code == ExitCode.TASK
    assert "Steps with a checkpoint: none" in raised.value.hint
