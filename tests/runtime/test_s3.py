"""Checkpoints behind `s3://`, on an S3 server of this machine."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror, fetch_folder
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import ExitCode, File
from tenyson.errors import DependencyError, SupersededError
from tenyson.jobs.options import RunOptions
from tenyson.jobs.sft import SFTJob


def open_store(folder: Path, uri: str, *, attempt: int = 0, keep: int = 3) -> CheckpointStore:
    mirror = Mirror(uri, pause_seconds=0)
    fence = Fence(folder, attempt, mirror)
    fence.claim()
    return CheckpointStore(fence, keep=keep, mirror=mirror)


def save(store: CheckpointStore, step: int) -> None:
    with store.saving(f"checkpoint-{step}", step=step) as folder:
        (folder / "adapter.bin").write_text(f"weights {step}", encoding="utf-8")
        (folder / "ref").mkdir()
        (folder / "ref" / "adapter.bin").write_text("reference", encoding="utf-8")
    assert store._uploads.wait(60)


def test_a_new_machine_goes_on_from_the_bucket_and_older_ones_are_gone(
    tmp_path: Path, bucket: str
) -> None:
    first = open_store(tmp_path / "first", f"{bucket}/run", keep=2)
    for step in (1, 2, 3):
        save(first, step)

    second = open_store(tmp_path / "second", f"{bucket}/run", attempt=1)
    found = second.newest()

    assert first.warnings == []
    assert found is not None
    assert found.step == 3
    assert (found.folder / "ref/adapter.bin").read_text(encoding="utf-8") == "reference"
    assert Mirror(f"{bucket}/run").finished_folders() == [
        "attempt-0/checkpoint-2",
        "attempt-0/checkpoint-3",
    ]


def test_a_half_uploaded_checkpoint_and_a_damaged_one_do_not_count(
    tmp_path: Path, bucket: str
) -> None:
    first = open_store(tmp_path / "first", f"{bucket}/run")
    for step in (1, 2, 3):
        save(first, step)
    files = Mirror(bucket)._files
    root = bucket.removeprefix("s3://")
    files.rm(f"{root}/run/attempt-0/checkpoint-3/{File.CHECKPOINT_MANIFEST}")
    files.pipe_file(f"{root}/run/attempt-0/checkpoint-2/adapter.bin", b"weightz 2")

    second = open_store(tmp_path / "second", f"{bucket}/run", attempt=1)
    found = second.newest()

    assert found is not None
    assert found.step == 1
    assert "SHA-256" in second.warnings[0]


def test_an_attempt_that_the_bucket_calls_superseded_uploads_nothing(
    tmp_path: Path, bucket: str
) -> None:
    older = open_store(tmp_path / "a", f"{bucket}/run")
    save(older, 1)
    newer = open_store(tmp_path / "b", f"{bucket}/run", attempt=1)
    save(newer, 1)

    save(older, 2)

    with pytest.raises(SupersededError, match="attempt 1"):
        older.finish_uploads()
    assert Mirror(f"{bucket}/run").finished_folders() == [
        "attempt-0/checkpoint-1",
        "attempt-1/checkpoint-1",
    ]


def test_a_folder_is_fetched_by_its_uri_and_one_that_is_not_there_says_so(
    tmp_path: Path, bucket: str
) -> None:
    save(open_store(tmp_path / "first", f"{bucket}/run"), 1)

    found = fetch_folder(f"{bucket}/run/attempt-0/checkpoint-1", tmp_path / "adapter")

    assert (found / "adapter.bin").read_text(encoding="utf-8") == "weights 1"
    with pytest.raises(DependencyError, match="nothing at"):
        fetch_folder(f"{bucket}/another", tmp_path / "none")


def test_a_bucket_that_is_not_there_is_a_sentence_and_is_not_made(
    tmp_path: Path, bucket: str
) -> None:
    with pytest.raises(DependencyError, match="cannot be used") as raised:
        open_store(tmp_path / "run", "s3://no-such-bucket/run")

    assert raised.value.exit_code == ExitCode.DEPENDENCY
    assert not Mirror(bucket)._files.exists("no-such-bucket")


@pytest.mark.train
def test_a_run_that_failed_on_one_machine_ends_on_another_with_the_same_weights(
    make_config: Any, sum_task: Any, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(checkpoint={"every_steps": 2})
    options = RunOptions(output_uri=f"{bucket}/run")
    whole = SFTJob(config, sum_task, output_dir=tmp_path / "whole").run()
    with monkeypatch.context() as patch:
        fail_at(patch, 5)
        with pytest.raises(ValueError, match="a bug"):
            SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "a", options=options).run()

    result = SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "b", options=options).run()

    assert (result.attempt, result.resumed_from_step) == (1, 4)
    assert result.adapter_sha256 == whole.adapter_sha256
    fetched = fetch_folder(f"{bucket}/run/{File.FINAL_CHECKPOINT}", tmp_path / "fetched")
    assert (fetched / File.ADAPTER_WEIGHTS).is_file()
    assert Mirror(f"{bucket}/run").exists(File.JOB_RESULT)


def fail_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """Makes trainings fail in the step after `step`."""
    from tenyson.jobs.training._trainers import TenysonSFTTrainer

    train_step = TenysonSFTTrainer.training_step

    def step_or_fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step:
            raise ValueError("a bug")
        return train_step(self, *args, **kwargs)

    patch.setattr(TenysonSFTTrainer, "training_step", step_or_fail)
