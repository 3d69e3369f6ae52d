"""An attempt that was cut off in a save, an upload or a batch of rows, and wakes up in it."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tenyson.errors import SupersededError
from tenyson.jobs.result import JobResult
from tenyson.telemetry import open_telemetry
from tenyson.telemetry.rows import RunKey
from tests.runtime.fenced_attempts import Attempt, contents

REPOSITORY = Path(__file__).parents[2]


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
