"""What an SFT run refuses, and stops that come before its first step."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import (
    CheckpointError,
    ConfigError,
    DependencyError,
    DivergedError,
    StoppedError,
    TaskError,
)
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob
from tenyson.jobs.stop import StopRequest

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("case", "error", "says"),
    [
        (
            {"task": {"sft_rows": [{"question": "1+1", "answer": "2"}]}},
            TaskError,
            "get_sft_dataset returned rows without the columns it needs. Found: question, answer. "
            "Expected: prompt and completion, or messages, or text",
        ),
        ({"task": {"sft_rows": []}}, TaskError, "get_sft_dataset returned no rows"),
        ({"task": {"sft_rows": 7}}, TaskError, "get_sft_dataset raised"),
        (
            {"data": {"max_length": 2}},
            TaskError,
            "No example of get_sft_dataset has a token left to train on",
        ),
        (
            {"task": {"formats": True}, "data": {"completion_only_loss": True}},
            ConfigError,
            "data.completion_only_loss",
        ),
        ({"adapter": {"target_modules": ["nowhere"]}}, ConfigError, "adapter.target_modules"),
        ({"model": {"name": "/no/such/folder"}}, ConfigError, "there is no folder"),
        ({"model": {"name": "nobody/no-model"}}, DependencyError, "looked in the cache"),
        ({"adapter": {"path": "/no/such/adapter"}}, DependencyError, "no adapter folder"),
        ({"checkpoint": {"resume": 4}}, CheckpointError, "no checkpoint of step 4"),
        (
            {"training": {"max_steps": 20, "learning_rate": 10, "max_grad_norm": 0}},
            DivergedError,
            "training stopped before it reached the weights",
        ),
    ],
    ids=[
        "columns", "empty", "raises", "too long", "formatting", "layers", "no folder", "no model",
        "no adapter", "no step", "diverges",
    ],
)  # fmt: skip
def test_bad_input_is_a_clear_error_with_a_result(
    case: dict[str, Any],
    error: type[Exception],
    says: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if error is DivergedError:
        poison_the_loss(monkeypatch, step=3)
    job = SFTJob(make_config(**case), sum_task, output_dir=tmp_path)

    with pytest.raises(error) as raised:
        job.run()

    result = JobResult.load(tmp_path / File.JOB_RESULT)
    assert says in str(raised.value)
    assert result.failure is not None
    assert says in result.failure.message
    assert result.exit_code == raised.value.exit_code  # type: ignore[attr-defined]
    assert result.status == ("diverged" if error is DivergedError else "failed")
    assert error.__name__ in (tmp_path / File.FAILURE).read_text(encoding="utf-8")


def poison_the_loss(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Makes the loss of a step NaN, as an overflow would."""
    from trl import SFTTrainer

    compute_loss = SFTTrainer.compute_loss

    def poisoned(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = compute_loss(self, *args, **kwargs)
        return loss * float("nan") if self.state.global_step + 1 == step else loss

    monkeypatch.setattr(SFTTrainer, "compute_loss", poisoned)


def test_a_stop_before_the_start_does_no_work(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    stop = StopRequest()
    stop.make("SIGTERM")
    job = SFTJob(make_config(), sum_task, output_dir=tmp_path, options=RunOptions(stop=stop))

    with pytest.raises(StoppedError):
        job.run()

    assert job.result is not None
    assert (job.result.status, job.result.exit_code) == ("stopped", 75)
    assert not (tmp_path / File.METRICS).exists()


@pytest.mark.parametrize("moment", ["trainer", "checkpoint"])
def test_a_stop_while_training_is_prepared_trains_no_step(
    moment: str, make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.training import _sft, _training

    stop = StopRequest()
    owner, name = {
        "trainer": (_sft, "TenysonSFTTrainer"),
        "checkpoint": (_training, "_start_from"),
    }[moment]
    original = getattr(owner, name)

    def asked(*args: Any, **kwargs: Any) -> Any:
        stop.make("SIGTERM")
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, asked)
    job = SFTJob(make_config(), sum_task, output_dir=tmp_path, options=RunOptions(stop=stop))

    with pytest.raises(StoppedError):
        job.run()

    assert job.result is not None
    assert (job.result.exit_code, job.result.global_step) == (75, 0)
    assert not (tmp_path / File.METRICS).exists()
