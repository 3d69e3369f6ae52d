"""The runner as a process that is killed, stopped, and started again, as pods are."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tests.runtime.left_behind import metric_rows

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def pushes() -> Iterator[Any]:
    """A controller that takes progress; its `steps` are those it heard of."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            metrics = {m["name"]: m["value"] for m in body["trainerStatus"]["metrics"]}
            server.heard.append((self.headers["Authorization"], metrics))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.train
@pytest.mark.timeout(300)
def test_a_run_killed_and_then_stopped_ends_with_the_same_weights(
    tmp_path: Path,
    make_config: Any,
    sum_task: Any,
    task_file: Path,
    pushes: Any,
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
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "token").write_text("the-token", encoding="utf-8")

    def start(attempt: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tenyson.runner", "--job-type", "rl"]
        command += ["--config", str(path), "--task-module", f"{task_file}:SumTask"]
        env = {
            **os.environ,
            "SUM_TASK_SIGNALS": "0:3:SIGKILL 1:5:SIGTERM",
            Env.ATTEMPT: str(attempt),
            Env.RUN_ID: "run-9",
            Env.OUTPUT_DIR: str(tmp_path / "parts"),
            Env.RESULT_PATH: str(tmp_path / "message"),
            Env.PROGRESS_URL: f"http://127.0.0.1:{pushes.server_port}/progress",
            Env.PROGRESS_TOKEN_FILE: str(tmp_path / "token"),
        }
        return subprocess.run(
            command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
        )

    killed, stopped, done = start(0), start(1), start(2)

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
    assert {token for token, _ in pushes.heard} == {"Bearer the-token"}
    last = pushes.heard[-1][1]
    assert (last["step"], last["total_steps"]) == ("8", "8")
