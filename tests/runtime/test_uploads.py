"""Copies go up beside the training: nothing waits for them but the end, and that not for ever."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.errors import DivergedError, StoppedError, SupersededError
from tenyson.jobs.outcome import uploading
from tenyson.jobs.outcome.uploading import uploads_finished
from tenyson.jobs.stop import StopRequest


class SlowMirror(Mirror):
    """A mirror whose uploads of folders wait until the test lets them pass."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, pause_seconds=0)
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.names: list[str] = []

    def upload_folder(self, folder: Path, name: str = "") -> None:
        self.names.append(folder.name)
        self.begun.release()
        assert self.gate.wait(30)
        super().upload_folder(folder, name)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[SlowMirror]:
    mirror = SlowMirror(f"file://{tmp_path}/bucket")
    yield mirror
    mirror.gate.set()


def open_store(folder: Path, mirror: Mirror, *, attempt: int = 0, keep: int = 3) -> CheckpointStore:
    fence = Fence(folder, attempt, mirror)
    fence.claim()
    return CheckpointStore(fence, keep=keep, mirror=mirror)


def save(store: CheckpointStore, step: int) -> None:
    with store.saving(f"checkpoint-{step}", step=step) as folder:
        (folder / "adapter.bin").write_text(f"weights {step}", encoding="utf-8")


def test_a_save_does_not_wait_for_its_upload(tmp_path: Path, mirror: SlowMirror) -> None:
    store = open_store(tmp_path / "run", mirror)

    save(store, 1)

    assert mirror.begun.acquire(timeout=30)
    assert mirror.finished_folders() == []
    mirror.gate.set()
    store.finish_uploads()
    assert mirror.finished_folders() == ["attempt-0/checkpoint-1"]


def test_of_the_checkpoints_that_wait_only_the_newest_goes_up(
    tmp_path: Path, mirror: SlowMirror
) -> None:
    store = open_store(tmp_path / "run", mirror)
    save(store, 1)
    assert mirror.begun.acquire(timeout=30)

    for step in (2, 3, 4):
        save(store, step)
    mirror.gate.set()
    store.finish_uploads()

    assert mirror.names == ["checkpoint-1", "checkpoint-4"]


def test_a_checkpoint_that_is_going_up_is_not_rotated_away(
    tmp_path: Path, mirror: SlowMirror
) -> None:
    store = open_store(tmp_path / "run", mirror, keep=1)
    save(store, 1)
    assert mirror.begun.acquire(timeout=30)

    for step in (2, 3):
        save(store, step)

    assert [place.step for place in store.places()] == [1, 3]
    mirror.gate.set()
    assert store._uploads.wait(30)
    save(store, 4)
    assert [place.step for place in store.places()] == [4]


def test_a_checkpoint_that_is_taken_back_while_it_goes_up_is_gone_from_the_mirror(
    tmp_path: Path, mirror: SlowMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback: the next attempt must find no checkpoint of the steps that went wrong."""
    store = open_store(tmp_path / "run", mirror)
    mirror.gate.set()
    save(store, 1)
    assert store._uploads.wait(30)
    is_read, may_arrive = threading.Event(), threading.Event()

    def put_late(local: str, remote: str) -> None:
        content = Path(local).read_bytes()
        if local.endswith(File.CHECKPOINT_MANIFEST):
            is_read.set()
            assert may_arrive.wait(30)
        mirror._files.pipe_file(remote, content)

    monkeypatch.setattr(mirror._files, "put_file", put_late)
    save(store, 2)
    assert is_read.wait(30)
    save(store, 3)
    monkeypatch.setattr(uploading, "AFTER_A_FAILURE_SECONDS", 0.0)
    threading.Timer(0.3, may_arrive.set).start()

    def roll_back() -> None:
        with uploads_finished(context(StopRequest(), non_finite="rollback"), store):
            raise DivergedError("nan", guard="non_finite", before_step=2)

    with pytest.raises(DivergedError):
        roll_back()
    CheckpointStore(store._fence, keep=3, mirror=mirror).set_aside_after(1, of_all_attempts=True)

    assert may_arrive.is_set(), "it waits for as long as it takes"
    assert mirror.finished_folders() == ["attempt-0/checkpoint-1"]
    assert [place.step for place in store.places()] == [1]


def test_an_end_without_time_leaves_the_upload_and_says_so(
    tmp_path: Path, mirror: SlowMirror
) -> None:
    store = open_store(tmp_path / "run", mirror)
    save(store, 1)

    began = time.monotonic()
    store.finish_uploads(0.05)

    assert time.monotonic() - began < 5
    assert "checkpoint-1 is only in the output folder" in store.warnings[0]
    assert not (tmp_path / "bucket/attempt-0/checkpoint-1" / File.CHECKPOINT_MANIFEST).exists()


def test_an_attempt_that_is_superseded_in_an_upload_saves_and_uploads_nothing_more(
    tmp_path: Path, mirror: SlowMirror
) -> None:
    """Two machines with folders of their own, and one bucket."""
    older = open_store(tmp_path / "a", mirror)
    save(older, 1)
    assert mirror.begun.acquire(timeout=30)
    Fence(tmp_path / "b", 1, Mirror(mirror.uri)).claim()

    mirror.gate.set()
    assert older._uploads.wait(30)

    with pytest.raises(SupersededError, match="attempt 1"):
        save(older, 2)
    with pytest.raises(SupersededError, match="attempt 1"):
        older.finish_uploads()
    assert mirror.finished_folders() == []
    assert [place.step for place in older.places()] == [1]


def context(stop: StopRequest, **guards: str) -> Any:
    warnings: list[str] = []
    options = SimpleNamespace(stop=stop)
    config = SimpleNamespace(guards=SimpleNamespace(**guards))
    return SimpleNamespace(options=options, config=config, warnings=warnings, note=warnings.append)


def test_a_stopped_run_waits_no_longer_than_its_grace_period(
    tmp_path: Path, mirror: SlowMirror
) -> None:
    stop = StopRequest()
    around = context(stop)
    store = open_store(tmp_path / "run", mirror)
    began = time.monotonic()

    def save_and_stop() -> None:
        with uploads_finished(around, store):
            save(store, 1)
            stop.make("SIGTERM", seconds=0.0)
            raise StoppedError("Stopped on request (SIGTERM).")

    with pytest.raises(StoppedError):
        save_and_stop()

    assert time.monotonic() - began < 5
    assert "no time left for its upload" in around.warnings[0]


def test_a_run_that_is_done_waits_for_its_uploads(tmp_path: Path, mirror: SlowMirror) -> None:
    store = open_store(tmp_path / "run", mirror)
    threading.Timer(0.2, mirror.gate.set).start()

    with uploads_finished(context(StopRequest()), store):
        save(store, 1)

    assert mirror.finished_folders() == ["attempt-0/checkpoint-1"]
