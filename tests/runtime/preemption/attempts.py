"""Attempts in processes of their own, forked from a server that has the libraries loaded."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenyson.contract import Env, File
from tenyson.jobs.result import JobResult
from tests.runtime.distributed.processes import FORKS

READY = "ready"


def run_attempt(arguments: list[str], env: dict[str, str], log: str, sabotage: str) -> None:
    """Does what `python -m tenyson.runner` does, in this process."""
    os.environ.clear()
    os.environ.update(env)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    import torch

    from tenyson import runner

    torch.set_num_threads(1)
    if sabotage:
        SABOTAGES[sabotage]()
    os.write(2, f"{READY}\n".encode())
    code = runner.main(arguments)
    sys.stderr.flush()
    os._exit(code)


class Attempt:
    """A runner's process."""

    def __init__(
        self,
        config: dict[str, Any],
        output: Path,
        task_file: Path,
        number: int,
        *,
        job_type: str = "sft",
        sabotage: str = "",
        **env: str,
    ) -> None:
        output.mkdir(parents=True, exist_ok=True)
        path = output.with_name(f"{output.name}-{number}.json")
        path.write_text(json.dumps(config), encoding="utf-8")
        self.output = output
        self.log_file = path.with_suffix(".log")
        self.message_file = path.with_suffix(".message")
        arguments = ["--job-type", job_type, "--config", str(path)]
        arguments += ["--task-module", f"{task_file}:SumTask", "--output-dir", str(output)]
        variables = {
            **os.environ,
            Env.RUN_ID: output.name,
            Env.ATTEMPT: str(number),
            Env.RESULT_PATH: str(self.message_file),
            **env,
        }
        self.process = FORKS.Process(
            target=run_attempt, args=(arguments, variables, str(self.log_file), sabotage)
        )
        self.process.start()

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    @property
    def result(self) -> JobResult:
        return JobResult.load(self.output / File.JOB_RESULT)

    @property
    def message(self) -> JobResult:
        return JobResult.from_dict(json.loads(self.message_file.read_text(encoding="utf-8")))

    def wait_until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, self.log
            assert self.process.is_alive(), self.log
            time.sleep(0.02)

    def wait_until_ready(self) -> None:
        """Returns when the runner is about to begin."""
        self.wait_until(lambda: READY in self.log)

    def steps_done(self) -> int:
        """Rows of metrics so far."""
        path = self.output / File.METRICS
        return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid or 0, number)

    def end(self, seconds: float = 120) -> int | None:
        """Returns the exit code, negative for a signal."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, self.log
        return self.process.exitcode

    def close(self) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def be_deaf() -> None:
    """Hangs in the start, and swallows whatever is raised there."""
    from tenyson.jobs.evaluating import _eval
    from tenyson.jobs.training import _sft

    def hang(*args: Any) -> Any:
        while True:
            with contextlib.suppress(BaseException):  # as some libraries do
                os.write(2, b"hanging\n")  # in here: the signal comes as soon as it is read
                time.sleep(60)

    _sft.locate_model = _eval.locate_models = hang


def hang_in_the_last_upload() -> None:
    """The storage takes no `checkpoint-final`."""
    from tenyson.jobs import job

    def hang(*args: Any) -> None:
        os.write(2, b"hanging\n")
        time.sleep(600)

    job.upload_results = hang  # type: ignore[assignment]


SABOTAGES = {"deaf": be_deaf, "no last upload": hang_in_the_last_upload}
