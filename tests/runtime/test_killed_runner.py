"""The runner as a process that is killed, stopped, and started again, as pods are."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tests.runtime.left_behind import metric_rows
from tests.runtime.progress_listener import listener as listener  # a fixture
from tests.runtime.progress_listener import metrics_of

REPOSITORY = Path(__file__).parents[2]


def run_attempt(
    attempt: int, folder: Path, task_file: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs the runner to its end as a pod of an attempt does, into `parts` below the folder."""
    command = [sys.executable, "-m", "tenyson.runner", "--job-type", "rl"]
    command += ["--config", str(folder / "config.json"), "--task-module", f"{task_file}:SumTask"]
    env = {
        **os.environ,
        Env.ATTEMPT: str(attempt),
        Env.RUN_ID: "run-9",
        Env.OUTPUT_DIR: str(folder / "parts"),
        Env.RESULT_PATH: str(folder / "message"),
        **env,
    }
    return subprocess.run(
        command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.train
@pytest.mark.timeout(300)
def test_a_run_killed_and_then_stopped_ends_with_the_same_weights(
    tmp_path: Path,
    make_config: Any,
    sum_task: Any,
    task_file: Path,
    listener: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    """Three real processes: SIGKILL in step 4, SIGTERM in step 6, then to the end."""
    config = make_config(
        checkpoint={"every_steps": 2},
        training={"max_steps": 8},
        task={"reward": "signalling_reward"},
    )
    quiet = make_config(**{**config, "task": {}})
    RLJob(quiet, sum_task, output_dir=tmp_path / "whole").run()
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "token").write_text("the-token", encoding="utf-8")
    env = {
        "SUM_TASK_SIGNALS": "0:3:SIGKILL 1:5:SIGTERM",
        Env.PROGRESS_URL: listener.url,
        Env.PROGRESS_TOKEN_FILE: str(tmp_path / "token"),
    }

    killed, stopped, done = (run_attempt(n, tmp_path, task_file, **env) for n in range(3))

    assert killed.returncode == -signal.SIGKILL
    assert "Going on from attempt-0/checkpoint-2" in stopped.stderr
    assert stopped.returncode == ExitCode.STOPPED, stopped.stderr
    assert "SIGTERM: stopping within" in stopped.stderr
    assert done.returncode == 0, done.stderr
    result = JobResult.load(tmp_path / "parts" / File.JOB_RESULT)
    assert (result.resumed_from_step, result.global_step, result.attempt) == (6, 8, 2)
    message = JobResult.from_dict(json.loads((tmp_path / "message").read_text(encoding="utf-8")))
    assert message.adapter_sha256 == result.adapter_sha256
    difference = largest_difference(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))
    assert difference == 0.0
    assert [row["step"] for row in metric_rows(tmp_path / "parts")] == list(range(1, 9))
    assert {token for token, _ in listener.got} == {"Bearer the-token"}
    last = metrics_of(listener.got[-1][1])
    assert (last["step"], last["total_steps"]) == ("8", "8")
