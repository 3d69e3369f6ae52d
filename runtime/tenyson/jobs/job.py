"""What SFT, RL and Eval have in common: from arguments to a JobResult on disk, in every case."""

import logging
import os
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tenyson.checkpoints.mirror import Mirror
from tenyson.config import JobConfig, parse_config
from tenyson.contract import RUNS_FOLDER, Env, ExitCode, File, JobType
from tenyson.errors import ConfigError, Problem, TenysonError
from tenyson.files import write_atomically
from tenyson.jobs.context import RunContext
from tenyson.jobs.failure import (
    as_tenyson_error,
    missing_library,
    record_failure,
    save_traceback,
)
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.task import check_hooks

LOG = logging.getLogger("tenyson.jobs")


class Job(ABC):
    """One run of a job; `run()` carries out one attempt at it."""

    job_type: ClassVar[JobType]
    label: ClassVar[str]
    """How messages name this kind of job."""

    def __init__(
        self,
        config: JobConfig | Mapping[str, Any],
        task: Any,
        *,
        run_id: str | None = None,
        attempt: int = 0,
        output_dir: str | Path | None = None,
        options: RunOptions | None = None,
    ) -> None:
        """Takes what a run needs; nothing is checked, loaded or written before `run()`.

        Args:
            config: A mapping or a checked configuration.
            task: A TaskPlugin, or any object with the hooks.
            run_id: Names the run; None draws a UUID. Runs with the same folder are one run.
            attempt: Number of this try at the run, from 0.
            output_dir: None: `artifacts/training_runs/<run_id>` below the current folder.
            options: What the surroundings bring; None takes the telemetry database of
                TENYSON_TELEMETRY_DB_URL and nothing else.
        """
        self.config = config
        self.task = task
        self.run_id = run_id or str(uuid.uuid4())
        self.attempt = attempt
        self.output_dir = Path(output_dir) if output_dir else Path(RUNS_FOLDER, self.run_id)
        self.options = options or RunOptions(
            telemetry_db_url=os.environ.get(Env.TELEMETRY_DB_URL) or None
        )
        self.result: JobResult | None = None
        """What the last `run()` left, a failure included."""

    def run(self) -> JobResult:
        """Carries out one attempt, and leaves `job_result.json` whatever happens.

        Returns:
            The result of a run that did all it was asked to.

        Raises:
            TenysonError: The run did not succeed; its class says what can be done about it.
        """
        # For good: a stop while the result is written must not undo a run that is done.
        self.options.stop.defer()
        started = time.monotonic()
        result = self.result = new_result(self)
        try:
            self._carry_out(result)
            result.status, result.exit_code = "success", int(ExitCode.DONE)
        except BaseException as error:
            record_failure(result, error)
            if not isinstance(error, KeyboardInterrupt):
                save_traceback(self.output_dir, error)
            if (known := as_tenyson_error(error)) is not None and known is not error:
                raise known from error
            raise
        finally:
            result.total_time_seconds = round(time.monotonic() - started, 3)
            self._leave_behind(result)
        return result

    @abstractmethod
    def _train_or_evaluate(self, context: RunContext) -> None:
        """Does the work and fills `context.result`; the heavy imports happen in here."""

    def _carry_out(self, result: JobResult) -> None:
        config = parse_config(self.config, self.job_type)
        check_hooks(self.task, self.job_type)
        prepare_folder(self.output_dir)
        self.options.stop.check()
        context = RunContext(
            job_type=self.job_type,
            config=config,
            task=self.task,
            output_dir=self.output_dir,
            options=self.options,
            result=result,
            mirror=Mirror(self.options.output_uri) if self.options.output_uri else None,
            plain_config=config.model_dump(),
        )
        LOG.info(
            "%s run %s, attempt %d, into %s: loading the libraries and %s",
            *(self.label, self.run_id, self.attempt, self.output_dir, config.model.name),
        )
        try:
            self._train_or_evaluate(context)
        except ImportError as error:
            raise missing_library(error, self.label) or error from error
        if context.mirror is not None:
            _upload_results(context.mirror, self.output_dir)

    def _leave_behind(self, result: JobResult) -> None:
        """Writes the result, as far as the surroundings still allow."""
        path = self.output_dir / File.JOB_RESULT
        try:
            result.save(path)
        except OSError as error:
            LOG.warning("The result cannot be written to %s: %s", path, error)
            return
        if self.options.output_uri:
            try:
                mirror = Mirror(self.options.output_uri)
                mirror.upload_file(path)
                mirror.upload_file(self.output_dir / File.FAILURE)
                mirror.upload_file(self.output_dir / File.TELEMETRY_SPOOL)
            except TenysonError as error:
                LOG.warning("The result is only in the output folder: %s", error.message)


def new_result(job: Job) -> JobResult:
    """Returns the result of a run that has done nothing yet."""
    return JobResult(
        run_id=job.run_id,
        status="failed",
        total_time_seconds=0.0,
        local_output_dir=str(job.output_dir),
        job_type=job.job_type.value,
        attempt=job.attempt,
        output_uri=job.options.output_uri,
    )


def prepare_folder(folder: Path) -> None:
    """Makes the output folder and tries that it takes files.

    Raises:
        ConfigError: It does not. A retry would not help, so this is no infrastructure error.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        write_atomically(probe, "")
        probe.unlink()
        for name in (File.JOB_RESULT, File.FAILURE):  # of an earlier attempt: they are not ours
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            [Problem("output_dir", f"{folder} cannot be written: {error.strerror or error}")],
            hint="Give a folder that this process may write to (--output-dir).",
        ) from error


def _upload_results(mirror: Mirror, folder: Path) -> None:
    for name in (File.MANIFEST, File.METRICS, File.RESULTS):
        mirror.upload_file(folder / name)
    if (folder / File.FINAL_CHECKPOINT).is_dir():
        mirror.upload_folder(folder / File.FINAL_CHECKPOINT)
