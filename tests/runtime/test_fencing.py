"""An attempt that was cut off, went on, and wakes up beside the next one."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import final
from tenyson.checkpoints.fence import Fence, next_attempt, read_marker
from tenyson.checkpoints.final import upload_final
from tenyson.checkpoints.mirror import Mirror, fetch_folder
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import Env, ExitCode, File
from tenyson.errors import SupersededError
from tenyson.jobs.outcome.records import leave_result, upload_results
from tenyson.jobs.result import JobResult
from tenyson.telemetry import open_telemetry
from tenyson.telemetry.rows import RunKey

REPOSITORY = Path(__file__).parents[2]


class Attempt:
    """One attempt at a run, as far as storage sees it."""

    def __init__(self, folder: Path, number: int, bucket: Path | None = None) -> None:
        self.folder, self.number = folder, number
        self.mirror = Mirror(f"file://{bucket}", pause_seconds=0) if bucket else None
        self.fence = Fence(folder, number, self.mirror)
        self.fence.claim()
        self.store = CheckpointStore(self.fence, keep=2, mirror=self.mirror)

    @contextmanager
    def saving(self, name: str) -> Iterator[Path]:
        step = 0 if name == File.FINAL_CHECKPOINT else int(name.rpartition("-")[2])
        with self.store.saving(name, step=step, attempt=self.number) as aside:
            (aside / "a.bin").write_text(f"{name} of {self.number}", encoding="utf-8")
            yield aside
        assert self.store._uploads.wait(30)
        if self.store._superseded is not None:
            raise self.store._superseded

    def save(self, name: str) -> None:
        with self.saving(name):
            pass

    def finish(self) -> None:
        """Trains to the end: two checkpoints, the final one, the result, the uploads."""
        for name in ("checkpoint-4", "checkpoint-6", File.FINAL_CHECKPOINT):
            self.save(name)
        self.leave_result()
        if self.mirror:
            upload_results(self.mirror, self.fence)

    def leave_result(self) -> None:
        result = JobResult("run", "success", 1.0, attempt=self.number)
        leave_result(result, None, self.fence, self.mirror)

    def is_deaf(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on it is one that was paused right after its look at the marker."""
        monkeypatch.setattr(self.fence, "check", lambda: None)
        monkeypatch.setattr(self.fence, "check_everywhere", lambda: None)
        if self.mirror:
            self.mirror.guard = lambda: None


def contents(folder: Path, *, without: str = "") -> dict[str, str]:
    """Every file with its hash, those of one attempt's folder left out."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in found.items()
        if not (without and name.startswith(f"{without}/"))
    }


class Sleeper:
    """Does something in a thread that falls asleep in its middle."""

    def __init__(self) -> None:
        self.asleep, self.woken = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def start(self, work: Any) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                self.error = error

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert self.asleep.wait(10), self.error

    def nap(self) -> None:
        self.asleep.set()
        assert self.woken.wait(10)

    def wake(self) -> BaseException | None:
        self.woken.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.error


@pytest.mark.parametrize("name", ["checkpoint-9", File.FINAL_CHECKPOINT])
def test_an_older_attempt_that_wakes_in_a_save_leaves_the_newer_ones_files_alone(
    tmp_path: Path, name: str
) -> None:
    older, sleeper = Attempt(tmp_path, 0), Sleeper()
    older.save("checkpoint-2")

    def save() -> None:
        with older.saving(name):
            sleeper.nap()

    sleeper.start(save)
    Attempt(tmp_path, 1).finish()
    before = contents(tmp_path, without="attempt-0")

    error = sleeper.wake()

    assert isinstance(error, SupersededError)
    assert "attempt 1 of this run started" in str(error)
    assert error.exit_code == ExitCode.STOPPED
    assert contents(tmp_path, without="attempt-0") == before
    assert not [path for path in (tmp_path / "attempt-0").iterdir() if "9" in path.name]
    with pytest.raises(SupersededError):
        older.leave_result()


def test_an_older_attempt_that_wakes_in_an_upload_leaves_the_newer_ones_files_alone(
    tmp_path: Path,
) -> None:
    """Two pods with folders of their own, and one bucket."""
    bucket, sleeper = tmp_path / "bucket", Sleeper()
    older = Attempt(tmp_path / "a", 0, bucket)
    assert older.mirror is not None
    put = older.mirror._files.put_file
    older.mirror._files = _Files(older.mirror._files, lambda *args: (sleeper.nap(), put(*args)))
    sleeper.start(lambda: older.save("checkpoint-9"))
    Attempt(tmp_path / "b", 1, bucket).finish()
    before = contents(bucket, without="attempt-0")

    error = sleeper.wake()

    assert isinstance(error, SupersededError)
    assert contents(bucket, without="attempt-0") == before
    third = Attempt(tmp_path / "c", 2, bucket).store.newest()
    assert third is not None
    assert third.place.name == "attempt-1/checkpoint-6", "half of checkpoint-9 is no checkpoint"


class _Files:
    """A storage whose `put_file` is replaced."""

    def __init__(self, files: Any, put_file: Any) -> None:
        self._files = files
        self.put_file = put_file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


def test_a_checkpoint_that_slips_through_never_gets_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Attempt(tmp_path, 0)
    for step in (2, 3):
        older.save(f"checkpoint-{step}")
    newer = Attempt(tmp_path, 1)
    newer.save("checkpoint-4")
    older.is_deaf(monkeypatch)

    for step in (7, 8, 9):
        older.save(f"checkpoint-{step}")

    newest = Attempt(tmp_path, 2).store.newest()
    assert newest is not None
    assert newest.place.name == "attempt-1/checkpoint-4"


def test_a_final_that_slips_through_is_stopped_by_the_newer_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Attempt(tmp_path, 0)
    Attempt(tmp_path, 1).finish()
    before = contents(tmp_path)
    older.is_deaf(monkeypatch)

    with pytest.raises(SupersededError, match="is of attempt 1"):
        older.save(File.FINAL_CHECKPOINT)

    assert contents(tmp_path) == before


@pytest.mark.parametrize("was_there", [False, True], ids=["no final yet", "an old final"])
def test_a_final_that_comes_between_a_look_and_a_rename_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    older = Attempt(tmp_path, 0)
    if was_there:
        older.save(File.FINAL_CHECKPOINT)
    rename = os.rename
    seen: dict[str, dict[str, str]] = {}

    def sleep_before_it(source: Any, target: Any) -> None:
        monkeypatch.setattr(final.os, "rename", rename)
        Attempt(tmp_path, 1).finish()
        seen["before"] = contents(tmp_path)
        rename(source, target)

    def save() -> None:
        with older.saving(File.FINAL_CHECKPOINT):
            monkeypatch.setattr(final.os, "rename", sleep_before_it)

    with pytest.raises(SupersededError):
        save()

    assert contents(tmp_path, without="attempt-0") == {
        name: value for name, value in seen["before"].items() if not name.startswith("attempt-0/")
    }


def test_a_late_upload_that_damages_the_final_in_the_mirror_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    older = Attempt(tmp_path / "a", 0, bucket)
    older.save(File.FINAL_CHECKPOINT)
    newer = Attempt(tmp_path / "b", 1, bucket)
    newer.finish()
    older.is_deaf(monkeypatch)
    assert older.mirror is not None
    assert newer.mirror is not None

    # One file was on its way when the attempt fell asleep.
    older.mirror._put(tmp_path / "a/checkpoint-final/a.bin", "checkpoint-final/a.bin")

    fetched = fetch_folder(f"file://{bucket}/checkpoint-final", tmp_path / "adapter")
    assert (fetched / "a.bin").read_text(encoding="utf-8") == "checkpoint-final of 1"
    upload_final(newer.folder / File.FINAL_CHECKPOINT, 1, newer.mirror)
    assert (bucket / "checkpoint-final/a.bin").read_bytes() == (fetched / "a.bin").read_bytes()


def test_an_attempt_that_starts_after_a_newer_one_does_nothing(tmp_path: Path) -> None:
    Attempt(tmp_path, 3).finish()
    before = contents(tmp_path)

    with pytest.raises(SupersededError, match="Attempt 2 is superseded"):
        Attempt(tmp_path, 2)

    assert contents(tmp_path) == before


def test_two_processes_of_one_number_do_not_share_it(tmp_path: Path) -> None:
    first = Attempt(tmp_path, 0)
    Attempt(tmp_path, 0)

    with pytest.raises(SupersededError):
        first.save("checkpoint-1")


def test_an_older_marker_written_late_does_not_last(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    newer = Attempt(tmp_path / "run", 1, bucket)
    older = Fence(tmp_path / "run", 0, newer.mirror)
    older._write()
    (bucket / File.NEWEST_ATTEMPT).write_text(older._own.to_json(), encoding="utf-8")

    newer.save("checkpoint-1")

    for folder in (tmp_path / "run", bucket):
        marker = read_marker(folder)
        assert marker is not None
        assert marker.attempt == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attempt": "x"}'])
def test_a_marker_that_cannot_be_read_stops_nobody(tmp_path: Path, text: str) -> None:
    attempt = Attempt(tmp_path, 0)
    (tmp_path / File.NEWEST_ATTEMPT).write_text(text, encoding="utf-8")

    attempt.finish()

    assert next_attempt(tmp_path) == 1, "its folder tells"


def test_checkpoints_of_all_attempts_are_kept_by_number(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    first = Attempt(tmp_path / "run", 0, bucket)
    for step in (2, 4, 6):
        first.save(f"checkpoint-{step}")
    second = Attempt(tmp_path / "run", 1, bucket)

    second.save("checkpoint-8")

    kept = ["attempt-0/checkpoint-6", "attempt-1/checkpoint-8"]
    assert [place.name for place in second.store.places()] == kept
    assert second.mirror is not None
    assert second.mirror.finished_folders() == kept


def test_checkpoints_of_runs_without_attempt_folders_are_read(tmp_path: Path) -> None:
    writer = Attempt(tmp_path, 0)
    for step in (2, 4):
        writer.save(f"checkpoint-{step}")
        os.rename(tmp_path / f"attempt-0/checkpoint-{step}", tmp_path / f"checkpoint-{step}")
    attempt = Attempt(tmp_path, 1)

    found = attempt.store.newest()
    assert found is not None
    assert found.place.name == "checkpoint-4"
    attempt.save("checkpoint-6")

    assert [p.name for p in attempt.store.places()] == ["checkpoint-4", "attempt-1/checkpoint-6"]


def test_the_mirror_is_asked_where_it_has_something_newer(tmp_path: Path) -> None:
    """A node's own disk, met again after another node has trained on."""
    bucket = tmp_path / "bucket"
    Attempt(tmp_path / "node-a", 0, bucket).save("checkpoint-2")
    Attempt(tmp_path / "node-b", 1, bucket).save("checkpoint-4")

    found = Attempt(tmp_path / "node-a", 2, bucket).store.newest()

    assert found is not None
    assert found.place.name == "attempt-1/checkpoint-4"


@pytest.mark.train
@pytest.mark.parametrize(
    ("shares", "moment"), [("volume", "checkpoint-4"), ("bucket", File.FINAL_CHECKPOINT)]
)
def test_a_pod_that_is_frozen_in_a_save_and_thawed_later_harms_nothing(
    tmp_path: Path, make_config: Any, moment: str, shares: str
) -> None:
    """Two real processes: the first is stopped while it saves, the second trains to the end."""
    config = make_config(checkpoint={"every_steps": 2, "keep": 2}, training={"max_steps": 6})
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")

    def start(attempt: int) -> subprocess.Popen[str]:
        own = "run" if shares == "volume" else f"run-{attempt}"
        env = {
            **os.environ,
            Env.ATTEMPT: str(attempt),
            Env.RUN_ID: "run-7",
            Env.OUTPUT_DIR: str(tmp_path / own),
            Env.OUTPUT_URI: f"file://{tmp_path}/bucket" if shares == "bucket" else "",
            Env.RESULT_PATH: str(tmp_path / f"message-{attempt}"),
            Env.TELEMETRY_DB_URL: f"sqlite:///{tmp_path}/telemetry.db",
            "FREEZE_IN_SAVE": f"0:{moment}",
        }
        command = [sys.executable, "-m", "tenyson.runner", "--job-type", "sft"]
        command += ["--config", str(tmp_path / "config.json")]
        command += ["--task-module", f"{REPOSITORY}/tests/runtime/freezing_task.py:FreezingTask"]
        return subprocess.Popen(command, cwd=REPOSITORY, env=env, stderr=subprocess.PIPE, text=True)

    older = start(0)
    _, status = os.waitpid(older.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), older.communicate()
    try:
        newer = start(1)
        _, said = newer.communicate(timeout=120)
        assert newer.returncode == 0, said
        shared = tmp_path / ("run" if shares == "volume" else "bucket")
        before = contents(shared, without="attempt-0")
    finally:
        older.send_signal(signal.SIGCONT)
    _, said = older.communicate(timeout=120)

    assert older.returncode == ExitCode.STOPPED, said
    assert "Attempt 0 is superseded: attempt 1 of this run started" in said
    assert contents(shared, without="attempt-0") == before
    result = JobResult.load(shared / File.JOB_RESULT)
    assert (result.attempt, result.status, result.global_step) == (1, "success", 6)
    message = JobResult.from_dict(json.loads((tmp_path / "message-0").read_text(encoding="utf-8")))
    assert (message.attempt, message.status) == (0, "stopped")


def test_telemetry_of_a_superseded_attempt_stays_out_of_the_folder_and_is_told_apart(
    tmp_path: Path,
) -> None:
    older = Attempt(tmp_path, 0)
    telemetry = open_telemetry(
        f"sqlite:///{tmp_path}/away/telemetry.db",
        tmp_path,
        run_id="run",
        attempt=0,
        is_current=older.fence.is_current,
    )
    Attempt(tmp_path, 1)

    telemetry.record_sft_metrics(7, "train", {"loss": 1.0})
    counts = telemetry.close()

    assert (counts["written"], counts["lost"]) == (0, 1)
    assert not (tmp_path / File.TELEMETRY_SPOOL).exists()
    ids = {RunKey("run", attempt).row_id("sft_metrics", 7, "train") for attempt in (0, 1)}
    assert len(ids) == 2
