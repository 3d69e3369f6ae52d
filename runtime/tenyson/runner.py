"""The process in the pod: `python -m tenyson.runner --job-type … --config … --task-module …`.

Its contract is in `tenyson.contract`: what it reads from the environment, the files it leaves, the
code it ends with. Whatever happens, it leaves a JobResult. `--help` loads nothing but argparse.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from tenyson.contract import RUNS_FOLDER, Env, ExitCode, File, JobType, PodPath
from tenyson.errors import ConfigError, Problem, StoppedError

if TYPE_CHECKING:
    from tenyson.jobs.job import Job
    from tenyson.jobs.result import JobResult
    from tenyson.jobs.stop import StopRequest

EXAMPLE = """\
example:
  python -m tenyson.runner --job-type sft \\
    --config tenyson/examples/wordle/configs/sft_config.yaml \\
    --task-module tenyson.examples.wordle.wordle_task:WordleTask

exit codes: 0 done, 64 configuration, 65 task or data, 69 a dependency is away, 70 internal,
71 out of memory, 72 diverged, 73 budget reached, 75 stopped with a checkpoint, 77 credentials
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one attempt at a job and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if any(argument in ("-h", "--help") for argument in given):
        parser.print_help()
        return int(ExitCode.DONE)
    return _Attempt(parser, given).run()


class _Attempt:
    """One attempt, from the command line to the result that it leaves."""

    def __init__(self, parser: argparse.ArgumentParser, given: list[str]) -> None:
        from tenyson.jobs.stop import StopRequest

        self._parser = parser
        self._given = given
        self._started = time.monotonic()
        self._stop = StopRequest()
        self._run_id = os.environ.get(Env.RUN_ID) or str(uuid.uuid4())
        self._job_type: str | None = None
        self._output_dir: Path | None = None
        self._job: Job | None = None

    def run(self) -> int:
        """Carries the attempt out and returns its exit code."""
        try:
            # Within the try: a signal that comes at any later moment leaves a result, too.
            _watch_signals(self._stop)
            self._job = self._prepare()
            result = self._job.run()
            _say(f"{_summary(result)}\n")
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the edge of the process
            self._stop.defer()
            result = self._failed(error)
        _ignore_signals()
        _leave_termination_message(result)
        return result.exit_code

    def _prepare(self) -> "Job":
        options = self._parser.parse_args(self._given)
        self._job_type = options.job_type
        self._run_id = options.run_id or self._run_id
        self._output_dir = _output_folder(options.output_dir, self._run_id)
        _listen_to_logs()

        from tenyson.config import load_config
        from tenyson.jobs.options import RunOptions, attempt_number
        from tenyson.task import check_hooks, load_task

        attempt = attempt_number(os.environ)
        job_type = JobType(options.job_type)
        config = load_config(options.config, job_type)
        task = load_task(options.task_module)
        check_hooks(task, job_type)
        return _job_class(job_type)(
            config,
            task,
            run_id=self._run_id,
            attempt=attempt,
            output_dir=self._output_dir,
            options=RunOptions.from_environment(
                os.environ,
                command=(sys.executable, "-m", "tenyson.runner", *self._given),
                stop=self._stop,
            ),
        )

    def _failed(self, error: BaseException) -> "JobResult":
        """Returns the result of a failed attempt, and tells a person about it."""
        result = self._job.result if self._job and self._job.result else self._early_result(error)
        failure = result.failure
        name = (
            "Stopped" if result.status == "stopped" else f"{failure.type if failure else 'Error'}"
        )
        _say(f"\n{name}: {failure.message if failure else error}\n")
        if failure and failure.hint:
            _say(f"  {failure.hint}\n")
        if result.exit_code == ExitCode.INTERNAL and self._output_dir:
            _say(f"  Traceback: {self._output_dir / File.FAILURE}\n")
        return result

    def _early_result(self, error: BaseException) -> "JobResult":
        """Writes and returns the result of an attempt that failed before there was a job."""
        from tenyson.checkpoints.fence import Fence, next_attempt
        from tenyson.errors import SupersededError
        from tenyson.jobs.failure import record_failure
        from tenyson.jobs.records import leave_result
        from tenyson.jobs.result import JobResult

        folder = self._output_dir or _output_folder(None, self._run_id)
        attempt = os.environ.get(Env.ATTEMPT, "")
        result = JobResult(
            run_id=self._run_id,
            status="failed",
            total_time_seconds=round(time.monotonic() - self._started, 3),
            local_output_dir=str(folder),
            job_type=self._job_type,
            attempt=int(attempt) if attempt.isdecimal() else next_attempt(folder),
        )
        record_failure(result, error)
        with contextlib.suppress(SupersededError):  # a newer attempt has started: it counts
            leave_result(result, error, Fence(folder, result.attempt), None)
        return result


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments as a configuration error, so that they leave a result, too."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(
            [Problem("command line", message)],
            hint="python -m tenyson.runner --help shows the arguments.",
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m tenyson.runner",
        description="Runs one attempt at an SFT, RL or Eval job.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--job-type", required=True, choices=[t.value for t in JobType], help="what to run"
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML or JSON file")
    parser.add_argument(
        "--task-module",
        required=True,
        metavar="SPEC",
        help="module.path:ClassName, a .py file, or a module of hook functions",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        help=f"output folder (default: ${Env.OUTPUT_DIR}, else {RUNS_FOLDER}/<run id>)",
    )
    parser.add_argument(
        "--run-id", metavar="ID", help=f"name of the run (default: ${Env.RUN_ID}, else a new UUID)"
    )
    return parser


def _output_folder(given: str | None, run_id: str) -> Path:
    named = given or os.environ.get(Env.OUTPUT_DIR)
    return Path(named) if named else Path(RUNS_FOLDER, run_id)


def _job_class(job_type: JobType) -> "type[Job]":
    if job_type is JobType.SFT:
        from tenyson.jobs.sft import SFTJob

        return SFTJob
    if job_type is JobType.RL:
        from tenyson.jobs.rl import RLJob

        return RLJob
    from tenyson.jobs.eval import EvalJob

    return EvalJob


def _watch_signals(stop: "StopRequest") -> None:
    """Makes SIGTERM and the first SIGINT a request to stop; a second SIGINT interrupts."""

    def handle(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.make(name)
        if stop.is_deferred:
            _say(f"\n{name}: stopping at the next edge\n")
        else:
            raise StoppedError(f"Stopped on request ({name}) before the work began.")

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _ignore_signals() -> None:
    """The work is over: what is left takes no time and must not be cut short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave_termination_message(result: "JobResult") -> None:
    path = _termination_path()
    if path is None:
        return
    try:
        # In a pod this file is a mount of its own: it is written in place, a rename would fail.
        path.write_text(result.termination_message(), encoding="utf-8")
    except OSError as error:
        _say(f"The termination message cannot be written to {path}: {error}\n")


def _termination_path() -> Path | None:
    if named := os.environ.get(Env.RESULT_PATH):
        return Path(named)
    default = Path(PodPath.TERMINATION_LOG)
    in_a_pod = "KUBERNETES_SERVICE_HOST" in os.environ
    return default if in_a_pod and default.exists() and os.access(default, os.W_OK) else None


def _listen_to_logs() -> None:
    """Shows what the libraries and the runtime log, one plain line each, on standard error."""
    import logging

    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("tenyson").setLevel(logging.INFO)


def _summary(result: "JobResult") -> str:
    names = ("train_loss", "loss", "reward", "eval_loss")
    shown = {n: result.metrics[n] for n in names if n in result.metrics} or result.metrics
    numbers = " · ".join(f"{n} {v:.4g}" for n, v in list(shown.items())[:6])
    return (
        f"Done in {result.total_time_seconds:.1f}s{' · ' if numbers else ''}{numbers}\n"
        f"  Results: {result.local_output_dir}"
    )


def _say(text: Any) -> None:
    sys.stderr.write(str(text))
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
