"""A process that is killed (SIGKILL) leaves no word and no state; the next one is exact anyway."""

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

pytestmark = [pytest.mark.train, pytest.mark.long]


def start(config: Path, task_file: Path, folder: Path, attempt: int, signals: str) -> int:
    """Runs an attempt in a process of its own; returns what it ended with."""
    command = [sys.executable, "-m", "tenyson.runner", "--job-type", "rl"]
    command += ["--config", str(config), "--task-module", f"{task_file}:SumTask"]
    env = {**os.environ, Env.ATTEMPT: str(attempt), Env.RUN_ID: "r", "SUM_TASK_SIGNALS": signals}
    done = subprocess.run(
        [*command, "--output-dir", str(folder)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode


def test_a_run_killed_inside_rounds_and_between_checkpoints_ends_with_the_same_weights(
    make_config: Any, sum_task: Any, task_file: Path, tmp_path: Path
) -> None:
    config = make_config(
        rl={"steps_per_generation": 3, "beta": 0.1},
        training={"max_steps": 9},
        adapter={"dropout": 0.1},
        task={"reward": "signalling_reward"},
        checkpoint={"every_steps": 2},
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    plain = {**config, "task": {"reward": "length_reward"}}
    whole = RLJob(plain, sum_task, output_dir=tmp_path / "whole").run()
    folder = tmp_path / "parts"

    # Rounds are sampled in the steps after 0, 3 and 6; checkpoints are those of 2, 4, 6 and 8.
    assert start(path, task_file, folder, 0, "0:3:SIGKILL") == -signal.SIGKILL
    assert not (folder / File.JOB_RESULT).exists()
    assert start(path, task_file, folder, 1, "1:6:SIGKILL") == -signal.SIGKILL
    assert start(path, task_file, folder, 2, "") == ExitCode.DONE

    result = JobResult.load(folder / File.JOB_RESULT)
    assert result.resumed_from_step == 6
    assert result.adapter_sha256 == whole.adapter_sha256
    steps = [row["step"] for row in metric_rows(folder)]
    assert steps == list(range(1, 10)), "every step once"
