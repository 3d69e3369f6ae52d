"""What SFT, RL and Eval have in common: from arguments to a JobResult on disk, in every case."""

import contextlib
import logging
import os
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from tenyson.checkpoints.fence import Fence, next_attempt
from tenyson.checkpoints.mirror import Mirror
from tenyson.config import JobConfig, parse_config
from tenyson.contract import RUNS_FOLDER, Env, ExitCode, JobType
from tenyson.errors import SupersededError
from tenyson.jobs.context import Reporter, RunContext, announce_start
from tenyson.jobs.failure import as_tenyson_error, missing_library, record_failure
from tenyson.jobs.finished import restore_finished
from tenyson.jobs.options import RunOptions
from tenyson.jobs.records import claim_folder, leave_result, upload_results
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
        attempt: int | None = None,
        output_dir: str | Path | None = None,
        options: RunOptions | None = None,
    ) -> None:
        """Takes what a run needs; nothing is checked, loaded or written before `run()`.

        Args:
            config: A mapping or a checked configuration.
            task: A TaskPlugin, or any object with the hooks.
            run_id: Names the run; None draws a UUID. Runs with the same folder are one run.
            attempt: Number of this try at the run, from 0; None takes the one after the newest
                in the folder. An attempt ends where a newer one starts.
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
        self._fence: Fence | None = None
        self._mirror: Mirror | None = None

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
            self._leave_behind(result, started)
        except BaseException as error:
            record_failure(result, error)
            if not isinstance(error, SupersededError):
                with contextlib.suppress(SupersededError):
                    self._leave_behind(result, started, error)
            if (known := as_tenyson_error(error)) is not None and known is not error:
                raise known from error
            raise
        return result

    @abstractmethod
    def _train_or_evaluate(self, context: RunContext) -> None:
        """Does the work and fills `context.result`; the heavy imports happen in here."""

    def _carry_out(self, result: JobResult) -> None:
        fence, mirror = self._claim(result)
        config = parse_config(self.config, self.job_type)
        check_hooks(self.task, self.job_type)
        self.options.stop.check()
        with closing(Reporter(self.job_type, self.options.progress)) as reporter:
            context = RunContext(
                job_type=self.job_type,
                config=config,
                task=self.task,
                output_dir=self.output_dir,
                options=self.options,
                result=result,
                fence=fence,
                reporter=reporter,
                mirror=mirror,
                plain_config=config.model_dump(),
            )
            self._do_the_work(context)
            if mirror is not None:
                upload_results(mirror, fence)

    def _claim(self, result: JobResult) -> tuple[Fence, Mirror | None]:
        """Returns what the attempt writes through, after it has named itself the newest one."""
        uri = self.options.output_uri
        mirror = Mirror(uri) if uri else None
        if self.attempt is None:
            self.attempt = next_attempt(self.output_dir, mirror)
        result.attempt = self.attempt
        self._fence, self._mirror = Fence(self.output_dir, self.attempt, mirror), mirror
        claim_folder(self._fence)
        return self._fence, mirror

    def _do_the_work(self, context: RunContext) -> None:
        announce_start(context)
        if self.job_type is not JobType.EVAL and restore_finished(context):
            return
        LOG.info(
            "%s run %s, attempt %d, into %s: loading the libraries and %s",
            *(self.label, self.run_id, context.fence.attempt, self.output_dir),
            context.config.model.name,
        )
        try:
            self._train_or_evaluate(context)
        except ImportError as error:
            raise missing_library(error, self.label) or error from error

    def _leave_behind(
        self, result: JobResult, started: float, error: BaseException | None = None
    ) -> None:
        """Writes the result, as far as the surroundings still allow."""
        result.total_time_seconds = round(time.monotonic() - started, 3)
        fence = self._fence or Fence(self.output_dir, self.attempt or 0)
        leave_result(result, error, fence, self._mirror)


def new_result(job: Job) -> JobResult:
    """Returns the result of a run that has done nothing yet."""
    return JobResult(
        run_id=job.run_id,
        status="failed",
        total_time_seconds=0.0,
        local_output_dir=str(job.output_dir),
        job_type=job.job_type.value,
        attempt=job.attempt or 0,
        output_uri=job.options.output_uri,
    )
