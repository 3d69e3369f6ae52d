"""The process in the pod: `python -m tenyson.runner --job-type … --config … --task-module …`.

Its contract is in `tenyson.contract`: what it reads from the environment, the files it leaves, the
code it ends with. Whatever happens, it leaves a JobResult. `--help` loads nothing but argparse.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenyson.command_line import config_overrides, make_parser
from tenyson.contract import RUNS_FOLDER, Env, ExitCode, File, JobType
from tenyson.distributed.place import RankPlace, places_here
from tenyson.errors import StoppedError
from tenyson.termination import leave_termination_message, print_json, say, say_done, say_failed

if TYPE_CHECKING:
    from tenyson.jobs.job import Job
    from tenyson.jobs.result import JobResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one attempt at a job and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    if any(argument in ("-h", "--help") for argument in given):
        parser.print_help()
        return int(ExitCode.DONE)
    return _Attempt(parser, given).run()


class _Attempt:
    """One attempt, from the command line to the result that it leaves."""

    def __init__(self, parser: argparse.ArgumentParser, given: list[str]) -> None:
        from tenyson.hiding import learn, secrets_of
        from tenyson.jobs.preemption.process import Stopping
        from tenyson.jobs.stop import StopRequest

        learn(secrets_of(os.environ))
        self._parser = parser
        self._given = given
        self._started = time.monotonic()
        self._stop = StopRequest()
        self._stopping = Stopping(self._stop)
        self._run_id = os.environ.get(Env.RUN_ID) or str(uuid.uuid4())
        self._job_type: str | None = None
        self._output_dir: Path | None = None
        self._places: tuple[RankPlace, ...] = (RankPlace(),)
        self._job: Job | None = None
        self._is_trial = False
        """Whether nothing is to be left in the output folder, which may be another run's."""
        self._told: dict[str, Any] = {}
        """What `--json` prints beside the result."""

    def run(self) -> int:
        """Carries the attempt out and returns its exit code."""
        from tenyson.jobs.stop import Interruption

        try:
            # Within the try: a signal that comes at any later moment leaves a result, too.
            self._stopping.listen()
            options = self._read_arguments()
            self._stopping.watch(self._places, last_call=self._run_out_of_time)
            result = self._carry_out(options)
        except (Exception, KeyboardInterrupt, Interruption) as error:  # noqa: BLE001 - the edge
            self._stop.defer()
            result = self._failed(error)
        self._stopping.close()
        leave_termination_message(result)
        if "--json" in self._given and self._places[0].is_main:
            print_json({**result.to_dict(), **self._told})
        return result.exit_code

    def _run_out_of_time(self) -> None:
        """Ends the process at a stop's deadline, whatever its main thread does."""
        if self._job and self._job.result:
            self._job.run_out_of_time()
        try:
            error = StoppedError(f"Stopped on request ({self._stop.reason}) while it started.")
            leave_termination_message(self._early_result(error))
        finally:
            os._exit(int(ExitCode.STOPPED))

    def _carry_out(self, options: argparse.Namespace) -> "JobResult":
        if self._is_trial:
            return self._try_out(options)
        return self._run_ranks(options) if len(self._places) > 1 else self._run_job(options)

    def _read_arguments(self) -> argparse.Namespace:
        from tenyson.jobs.outcome.run_of_folder import run_id_of
        from tenyson.log_handler import listen_to_logs

        options = self._parser.parse_args(self._given)
        self._job_type = options.job_type
        self._is_trial = options.dry_run or options.smoke
        named = options.run_id or os.environ.get(Env.RUN_ID)
        self._output_dir = _output_folder(options.output_dir, named or self._run_id)
        found = None if named else run_id_of(self._output_dir, options.job_type)
        self._run_id = named or found or self._run_id
        self._places = places_here(os.environ)
        listen_to_logs(self._places[0].rank)
        return options

    def _run_ranks(self, options: argparse.Namespace) -> "JobResult":
        """Starts this runner once for each rank of the pod; they do the work and the talking."""
        from tenyson.distributed.launcher import run_ranks
        from tenyson.jobs.outcome.own_folder import refuse_ranks_for_eval
        from tenyson.jobs.outcome.rank_results import has_left_result, result_of

        self._stop.defer()  # the ranks stop, this process waits for them
        refuse_ranks_for_eval(JobType(options.job_type), self._places[0].size)
        fallback = self._new_result()  # before rank 0 claims the folder: its attempt is the same
        with tempfile.TemporaryDirectory(prefix="tenyson-ranks-") as messages:
            ended = run_ranks(
                (sys.executable, "-m", "tenyson.runner", *self._given_to_ranks),
                self._places,
                messages=Path(messages),
                signal_asked=self._stopping.signal_for_ranks,
                env={**os.environ, Env.RUN_ID: self._run_id},
            )
            fallback.total_time_seconds = round(time.monotonic() - self._started, 3)
            result = result_of(ended, otherwise=fallback)
        if self._output_dir and not has_left_result(self._output_dir, fallback.attempt):
            result.attempt = fallback.attempt
            self._save(result)  # rank 0 was killed before it could
        return result

    @property
    def _given_to_ranks(self) -> list[str]:
        """The command line without what only one process is to do."""
        return [argument for argument in self._given if argument != "--json"]

    def _run_job(self, options: argparse.Namespace) -> "JobResult":
        self._job = self._prepare(options)
        result = self._job.run()
        if self._places[0].is_main:
            say_done(result)
        return result

    def _try_out(self, options: argparse.Namespace) -> "JobResult":
        """Carries out `--dry-run` or `--smoke`, in this process alone."""
        from tenyson.running.trials import dry_run, require_one_process, smoke_run

        require_one_process(self._places, is_smoke=options.smoke)
        job, ranks = self._prepare(options), self._places[0].size
        self._told = dry_run(job, ranks) if options.dry_run else smoke_run(job)
        result = self._new_result()
        result.status = "success"
        return result

    def _prepare(self, options: argparse.Namespace) -> "Job":
        from tenyson.config import load_config
        from tenyson.jobs.options import RunOptions, attempt_number
        from tenyson.running.kinds import job_class
        from tenyson.task import check_hooks
        from tenyson.task_loading import load_task

        attempt = attempt_number(os.environ)
        job_type = JobType(options.job_type)
        config = load_config(
            options.config,
            job_type,
            ranks=self._places[0].size,
            overrides=config_overrides(options),
        )
        task = load_task(options.task_module)
        check_hooks(task, job_type, names_dataset=config.data.dataset is not None)
        return job_class(job_type)(
            config,
            task,
            run_id=self._run_id,
            attempt=attempt,
            output_dir=self._output_dir,
            options=RunOptions.from_environment(
                os.environ,
                command=(sys.executable, "-m", "tenyson.runner", *self._given),
                stop=self._stop,
                place=self._places[0],
                leave_word=leave_termination_message,
            ),
        )

    def _failed(self, error: BaseException) -> "JobResult":
        """Returns the result of a failed attempt, and tells a person about it."""
        result = self._job.result if self._job and self._job.result else self._early_result(error)
        say_failed(result, error)
        if result.exit_code == ExitCode.INTERNAL and self._is_trial:
            import traceback

            say("".join(traceback.format_exception(error)))  # it leaves no file to read
        elif result.exit_code == ExitCode.INTERNAL and self._places[0].is_main:
            say(f"  Traceback: {Path(result.local_output_dir or '', File.FAILURE)}\n")
        return result

    def _early_result(self, error: BaseException) -> "JobResult":
        """Writes and returns the result of an attempt that failed before there was a job."""
        from tenyson.jobs.outcome.failure import record_failure

        result = self._new_result()
        record_failure(result, error)
        self._save(result, error)
        return result

    def _new_result(self) -> "JobResult":
        from tenyson.checkpoints.fence import next_attempt
        from tenyson.jobs.result import JobResult

        folder = self._output_dir or _output_folder(None, self._run_id)
        attempt = os.environ.get(Env.ATTEMPT, "")
        return JobResult(
            run_id=self._run_id,
            status="failed",
            total_time_seconds=round(time.monotonic() - self._started, 3),
            local_output_dir=str(folder),
            job_type=self._job_type,
            attempt=int(attempt) if attempt.isdecimal() else next_attempt(folder),
        )

    def _save(self, result: "JobResult", error: BaseException | None = None) -> None:
        """Writes the result into the output folder, unless that is another rank's to do."""
        from tenyson.checkpoints.fence import Fence
        from tenyson.errors import SupersededError
        from tenyson.jobs.outcome.records import leave_result

        if self._places[0].is_main and not self._is_trial:
            folder = Path(result.local_output_dir or RUNS_FOLDER)
            with contextlib.suppress(SupersededError):  # a newer attempt has started: it counts
                leave_result(result, error, Fence(folder, result.attempt), None)


def _output_folder(given: str | None, run_id: str) -> Path:
    named = given or os.environ.get(Env.OUTPUT_DIR)
    return Path(named) if named else Path(RUNS_FOLDER, run_id)


if __name__ == "__main__":
    from tenyson.hiding import hide_in_streams

    hide_in_streams()
    code = main()
    if os.environ.get("WORLD_SIZE", "1") != "1" or code == ExitCode.STOPPED:
        # torch's process group would wait at the interpreter's end for peers that are gone; and a
        # run that was stopped has no time for what libraries do there.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
