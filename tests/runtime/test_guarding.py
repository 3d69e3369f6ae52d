"""Guards on real runs: they warn, stop with a diagnosis, or go back once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import DivergedError
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train

ALWAYS = {"max_clipped_share": 0.0, "patience": 2}
"""The tiny model's completions are nearly all cut, which this makes a matter for the guard."""


@pytest.fixture
def poison() -> Iterator[Any]:
    """Makes the embeddings not a number in the forward passes that a test names, counted from 1."""
    import torch

    class Poison:
        passes: tuple[int, ...] = ()
        count = 0

        def spoil(self, module: Any, inputs: Any, output: Any) -> Any:
            if not isinstance(module, torch.nn.Embedding) or not torch.is_grad_enabled():
                return None
            self.count += 1
            return output * float("nan") if self.count in self.passes else None

    found = Poison()
    hook = torch.nn.modules.module.register_module_forward_hook(found.spoil)
    yield found
    hook.remove()


def test_a_guard_that_warns_does_so_once_and_the_run_goes_on(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(guards={"clipped": "warn", **ALWAYS})

    result = RLJob(config, sum_task, output_dir=tmp_path).run()

    assert result.succeeded
    warnings = [w for w in result.warnings if w.startswith("Guard clipped: ")]
    assert len(warnings) == 1
    assert "(steps 1 to 2)" in warnings[0]
    assert "rl.max_completion_length" in warnings[0]


def test_a_guard_that_stops_leaves_a_diagnosis_and_the_checkpoints(
    make_config: Any, run_runner: Any
) -> None:
    config = make_config(guards={"clipped": "stop", **ALWAYS, "patience": 3})
    config["checkpoint"] = {"every_seconds": None, "every_steps": 2}

    ended = run_runner(config, job_type="rl")

    assert (ended.code, ended.result.status) == (ExitCode.DIVERGED, "diverged")
    assert "Guard clipped: the share of completions cut" in ended.result.failure.message
    assert "Likely causes: completions that never end" in ended.result.failure.hint
    assert (ended.folder / "attempt-0/checkpoint-2").is_dir()
    assert not (ended.folder / File.FINAL_CHECKPOINT).exists()


def test_a_loss_that_is_not_a_number_never_reaches_the_weights(
    make_config: Any, run_runner: Any, poison: Any
) -> None:
    poison.passes = (4,)

    ended = run_runner(make_config(checkpoint={"every_steps": 1}))

    assert ended.code == ExitCode.DIVERGED
    assert "The loss of step 4 is nan" in ended.result.failure.message
    assert (ended.folder / "attempt-0/checkpoint-3").is_dir()


def test_a_rollback_goes_back_with_half_the_learning_rate(
    make_config: Any, sum_task: Any, tmp_path: Path, poison: Any
) -> None:
    poison.passes = (6,)
    config = make_config(
        training={"lr_scheduler_type": "constant", "warmup_steps": 0},
        checkpoint={"every_steps": 2},
        guards={"non_finite": "rollback"},
    )

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.succeeded
    assert result.global_step == 6
    assert "before step 6, with half the learning rate" in result.warnings[0]
    rates = [row["learning_rate"] for row in metric_rows(tmp_path) if "learning_rate" in row]
    assert rates == pytest.approx([0.01] * 4 + [0.005] * 2)


def test_a_rollback_from_the_start_and_a_second_one_stops(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(
        guards={"clipped": "rollback", **ALWAYS}, checkpoint={"every_seconds": 1e6}
    )
    job = RLJob(config, sum_task, output_dir=tmp_path)

    with pytest.raises(DivergedError, match="Guard clipped"):
        job.run()

    assert job.result is not None
    assert job.result.exit_code == ExitCode.DIVERGED
    assert [w for w in job.result.warnings if "half the learning rate" in w]
    assert json.loads((tmp_path / File.AMENDMENTS).read_text())["learning_rate_scale"] == 0.5
    assert [row["step"] for row in metric_rows(tmp_path)] == [1, 2]


def test_a_rollback_takes_the_checkpoint_of_before_the_trouble_however_many_came_after(
    make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metric turns bad after step 3; by the time the guard speaks, step 8 is saved."""
    from tenyson.jobs.guards import limits
    from tenyson.jobs.sampling import _rl

    given = limits.Limit.observe
    rounds: list[int] = []
    said_while_loading: list[int | None] = []
    train = _rl.train

    def noted(context: Any) -> None:
        said_while_loading.append(context.result.global_step)
        train(context)

    monkeypatch.setattr(_rl, "train", noted)

    def clipped_from_step_4(self: Any, step: int, metrics: Any) -> Any:
        if self.name == "clipped":
            rounds.append(step)
            is_first_try = len(rounds) == len(set(rounds))
            bad = float(step > 3 and is_first_try)
            metrics = {**metrics, self.metric: bad}
        return given(self, step, metrics)

    monkeypatch.setattr(limits.Limit, "observe", clipped_from_step_4)
    config = make_config(
        training={"max_steps": 10},
        checkpoint={"every_steps": 1, "keep": 2},
        guards={"clipped": "rollback", "patience": 5},
    )

    result = RLJob(config, sum_task, output_dir=tmp_path).run()

    assert result.succeeded
    assert result.resumed_from_step == 3
    assert said_while_loading == [0, 3], "not the step at which the trouble was seen"
    assert [row["step"] for row in metric_rows(tmp_path)][-10:] == list(range(1, 11))
    kept = sorted(path.name for path in (tmp_path / "attempt-0").glob("checkpoint-*"))
    assert kept == ["checkpoint-10", "checkpoint-9"]
    assert list((tmp_path / "attempt-0").glob("superseded-checkpoint-*"))
