"""Saving by time keeps to its share of the run, whatever a save costs."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train
SAVE_SECONDS = 0.3
STEP_SECONDS = 0.05


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Slows saves and steps down; when each save began and ended."""
    from tenyson.jobs.resume._exact import ExactResume

    save, train, times = ExactResume._save_checkpoint, ExactResume.training_step, []

    def slow_save(self: Any, *args: Any) -> None:
        began = time.monotonic()
        save(self, *args)
        time.sleep(SAVE_SECONDS)
        times.append((began, time.monotonic()))

    def slow_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        time.sleep(STEP_SECONDS)
        return train(self, *args, **kwargs)

    monkeypatch.setattr(ExactResume, "_save_checkpoint", slow_save)
    monkeypatch.setattr(ExactResume, "training_step", slow_step)
    return times


def test_slow_saves_by_time_come_less_often_and_it_is_said_once(
    saves: list[tuple[float, float]], make_config: Any, sum_task: Any, tmp_path: Path, caplog: Any
) -> None:
    settings = {"every_seconds": 0.1, "max_save_share": 0.25}
    config = make_config(checkpoint=settings, training={"max_steps": 60})

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    pauses = [later[0] - earlier[1] for earlier, later in pairwise(saves)]
    assert pauses
    assert min(pauses) >= 3 * SAVE_SECONDS
    (notice,) = [warning for warning in result.warnings if "max_save_share" in warning]
    assert "to save: one comes every" in notice
    assert caplog.text.count("max_save_share") == 1


def test_saves_by_steps_come_however_slow(
    saves: list[tuple[float, float]], make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    settings = {"every_steps": 1, "max_save_share": 0.01}

    result = SFTJob(make_config(checkpoint=settings), sum_task, output_dir=tmp_path).run()

    assert len(saves) == 6
    assert not any("max_save_share" in warning for warning in result.warnings)
