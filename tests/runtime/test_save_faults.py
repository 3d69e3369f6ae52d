"""A disk that is full while a checkpoint is saved: a sentence, and nothing saved before is lost."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.checkpoints.disk_full import is_disk_full
from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import ExitCode, File
from tenyson.errors import DependencyError
from tenyson.jobs.sft import SFTJob


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def open_store(folder: Path, *, keep: int = 3, attempt: int = 0) -> CheckpointStore:
    fence = Fence(folder, attempt)
    fence.claim()
    return CheckpointStore(fence, keep=keep)


def save(store: CheckpointStore, step: int, size: int = 100) -> Path:
    with store.saving(f"checkpoint-{step}", step=step) as folder:
        (folder / "adapter.bin").write_bytes(os.urandom(size))
    return store.folder / f"attempt-0/checkpoint-{step}"


def test_a_disk_that_fills_up_in_a_save_leaves_what_was_there(small_disk: Path) -> None:
    store = open_store(small_disk)
    first = save(store, 1, 400_000)

    with pytest.raises(DependencyError, match="No space left for checkpoint-2") as raised:
        save(store, 2, 800_000)

    assert "untouched: attempt-0/checkpoint-1" in raised.value.message
    assert raised.value.exit_code == ExitCode.DEPENDENCY
    assert manifest.verify(first)
    assert [p.name for p in first.parent.iterdir()] == ["checkpoint-1"], "room for the result"
    found = store.newest()
    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("library", ["torch", "safetensors"])
@pytest.mark.train
def test_what_the_libraries_say_of_a_full_disk_is_understood(
    library: str, small_disk: Path
) -> None:
    """Neither raises an OSError; torch does not even say why."""
    import torch
    from safetensors.torch import save_file

    store = open_store(small_disk)
    save(store, 1)
    tensors = {"a": torch.rand(1_000_000)}

    def save_tensors() -> None:
        with store.saving("checkpoint-2", step=2) as folder:
            if library == "torch":
                torch.save(tensors, folder / "optimizer.pt")
            else:
                save_file(tensors, folder / "adapter_model.safetensors")

    with pytest.raises(DependencyError, match="No space left for checkpoint-2"):
        save_tensors()


@pytest.mark.train
def test_a_run_on_a_full_disk_ends_with_a_sentence_and_the_next_one_goes_on(
    make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    write = torch.save

    def write_until_full(state: Any, path: Any) -> None:
        if "optimizer.pt" in str(path) and "checkpoint-4" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(state, path)

    config = make_config(checkpoint={"every_steps": 2})
    whole = SFTJob(config, sum_task, output_dir=tmp_path / "whole").run()
    job = SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "parts")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", write_until_full)
        with pytest.raises(DependencyError, match="No space left for checkpoint-4"):
            job.run()
    assert job.result is not None
    assert job.result.failure is not None
    assert "checkpoint.keep" in job.result.failure.hint
    assert (tmp_path / "parts" / File.JOB_RESULT).is_file()

    result = SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "parts").run()

    assert result.resumed_from_step == 2
    assert result.adapter_sha256 == whole.adapter_sha256


def test_a_broken_checkpoint_does_not_count_among_those_that_are_kept(tmp_path: Path) -> None:
    """Else two of them would push out the last one that a run can go on from."""
    store = open_store(tmp_path, keep=2)
    paths = [save(store, step) for step in (1, 2)]
    flip_a_byte(paths[1] / "adapter.bin")

    save(store, 3)

    assert [place.step for place in store.places()] == [1, 2, 3]
    save(store, 4)
    assert [place.step for place in store.places()] == [3, 4]


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_other_errors_are_not_put_down_to_the_disk(tmp_path: Path) -> None:
    assert is_disk_full(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"), tmp_path)
    assert not is_disk_full(RuntimeError("PytorchStreamWriter failed writing file"), tmp_path)


def test_a_second_process_on_the_folder_ends_the_first_and_loses_nothing(tmp_path: Path) -> None:
    from tenyson.errors import SupersededError

    first = open_store(tmp_path)
    kept = save(first, 1)
    second = open_store(tmp_path, attempt=1)

    with pytest.raises(SupersededError, match="attempt 1"):
        save(first, 2)

    found = second.newest()
    assert found is not None
    assert found.folder == kept
    assert [place.name for place in second.places()] == ["attempt-0/checkpoint-1"]
