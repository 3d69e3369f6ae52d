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

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.config import JobConfig, parse_config
from tenyson.contract import RUNS_FOLDER, Env, ExitCode, JobType
from tenyson.distributed.joining import join, own_place
from tenyson.distributed.place import RankPlace
from tenyson.distributed.ranks import Ranks
from tenyson.errors import StoppedError, SupersededError, TenysonError
from tenyson.hiding import learn
from tenyson.jobs.context import Reporter, RunContext, announce_start
from tenyson.jobs.data.named import find_dataset
from tenyson.jobs.limits.meter import Meter
from tenyson.jobs.limits.usage import budget_reached, keep_usage, open_meter
from tenyson.jobs.measuring.measurements import add_measurements
from tenyson.jobs.measuring.tokens import TokenCounts
from tenyson.jobs.models.loaders import import_loader
from tenyson.jobs.options import RunOptions
from tenyson.jobs.outcome.failure import as_tenyson_error, missing_library, record_failure
from tenyson.jobs.outcome.finished import restore_finished
from tenyson.jobs.outcome.own_folder import leave_own_folder, open_folder, refuse_ranks_for_eval
from tenyson.jobs.outcome.pushing import check_push, push
from tenyson.jobs.outcome.records import claim_folder, leave_result, new_result, upload_results
from tenyson.jobs.outcome.run_of_folder import run_id_of
from tenyson.jobs.preemption.grace import beyond_platform
from tenyson.jobs.recording.opening import close_record, open_record
from tenyson.jobs.result import JobResult
from tenyson.jobs.training.determinism import determinism, with_strict_engine
from tenyson.manifest.secret import secrets_in
from tenyson.phases import Phases
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
            run_id: Names the run; None takes the name of the run in the output folder, and draws a
                UUID where there is none.
            attempt: Number of this try at the run, from 0; None takes the one after the newest
                in the folder. An attempt ends where a newer one starts.
            output_dir: None: `artifacts/training_runs/<run_id>` below the current folder.
            options: What the surroundings bring; None takes the telemetry database of
                TENYSON_TELEMETRY_DB_URL and nothing else.
        """
        self.config = config
        self.task = task
        self.run_id = run_id or str(uuid.uuid4())
        self._is_named = run_id is not None
        self.attempt = attempt
        self.output_dir = Path(output_dir) if output_dir else Path(RUNS_FOLDER, self.run_id)
        self.options = options or RunOptions(
            telemetry_db_url=os.environ.get(Env.TELEMETRY_DB_URL) or None
        )
        self.result: JobResult | None = None
        """What the last `run()` left, a failure included."""
        self._fence: Fence | None = None
        self._mirror: Mirror | None = None
        self._place = RankPlace()
        self._ranks = Ranks()
        self._started = 0.0
        self._phases, self._tokens = Phases(), TokenCounts()
        self._is_decided = False
        self._meter: Meter | None = None
        self._context: RunContext | None = None

    def run(self) -> JobResult:
        """Carries out one attempt, and leaves `job_result.json` whatever happens.

        Returns:
            The result of a run that did all it was asked to.

        Raises:
            TenysonError: The run did not succeed; its class says what can be done about it.
        """
        # For good: a stop while the result is written must not undo a run that is done.
        self.options.stop.defer()
        self._started = time.monotonic()
        self._context = None
        self._phases, self._tokens = Phases(), TokenCounts()
        if not self._is_named:
            self.run_id = run_id_of(self.output_dir, self.job_type) or self.run_id
        result = self.result = new_result(self)
        try:
            self._carry_out(result)
            result.status, result.exit_code = "success", int(ExitCode.DONE)
            self._is_decided = True
            self._leave_behind(result)
        except BaseException as error:
            self.options.stop.defer()
            cause = self._ranks.explain(error)
            record_failure(result, cause)
            self._is_decided = True
            self._ranks.leave(result.exit_code, result.failure.message if result.failure else "")
            if not isinstance(error, SupersededError):
                with contextlib.suppress(SupersededError):
                    self._leave_behind(result, error)
            elif self._context is not None:
                close_record(self._context)
            if (known := as_tenyson_error(cause)) is not None and known is not error:
                raise known from error
            raise
        return result

    @abstractmethod
    def _train_or_evaluate(self, context: RunContext) -> None:
        """Does the work and fills `context.result`; the heavy imports happen in here."""

    def _carry_out(self, result: JobResult) -> None:
        place = self._place = self.options.place or own_place(os.environ)
        fence, mirror = self._claim(result)
        config = with_strict_engine(parse_config(self.config, self.job_type, ranks=place.size))
        learn(secrets_in(config.model_dump()))
        for line in config.read_as:
            LOG.info("Configuration: %s", line)
        check_hooks(self.task, self.job_type, names_dataset=config.data.dataset is not None)
        refuse_ranks_for_eval(self.job_type, place.size)
        stop = self.options.stop
        stop.check()
        ranks = self._ranks = join(place, check_stop=stop.check, give_up=self._give_up)
        self.run_id, result.attempt = ranks.share((self.run_id, result.attempt))
        result.run_id = self.run_id
        meter = self._meter = open_meter(config.budget, fence, mirror, self._started)
        reporter = Reporter(
            self.job_type, self.options.progress, is_quiet=not place.is_main, meter=meter
        )
        if config.checkpoint.grace_seconds is not None:
            stop.grace_seconds = config.checkpoint.grace_seconds
        with closing(reporter):
            context = RunContext(
                job_type=self.job_type,
                config=config,
                task=self.task,
                output_dir=fence.folder,
                options=self.options,
                result=result,
                fence=fence,
                reporter=reporter,
                mirror=mirror,
                ranks=ranks,
                plain_config=config.model_dump(),
                notes={"read_as": config.read_as} if config.read_as else {},
                phases=self._phases,
                tokens=self._tokens,
                meter=meter,
            )
            self._context = context
            open_record(context, self._started)
            if doubt := beyond_platform(config.checkpoint.grace_seconds, os.environ):
                context.warn(doubt)
            self._do_the_work(context)
            ranks.part()
            if mirror is not None:
                upload_results(mirror, fence, context.record.watcher)
            push(context)
            if context.budget_spent:
                raise budget_reached(self.job_type, result.global_step or 0, context.budget_spent)
        ranks.finish()

    def _claim(self, result: JobResult) -> tuple[Fence, Mirror | None]:
        """Returns what the attempt writes through, after it has named itself the newest one."""
        uri = self.options.output_uri
        fence, mirror = open_folder(self.output_dir, uri, self._place, self.attempt)
        self._fence, self._mirror = fence, mirror
        self.attempt = result.attempt = fence.attempt
        claim_folder(fence)
        return fence, mirror

    def _do_the_work(self, context: RunContext) -> None:
        announce_start(context)
        ranks = context.ranks
        check_push(context)
        may_be_finished = ranks.is_main and self.job_type is not JobType.EVAL
        if ranks.share(may_be_finished and restore_finished(context)):
            return
        LOG.info(
            "%s run %s, attempt %d, into %s: loading the libraries and %s",
            *(self.label, self.run_id, context.fence.attempt, self.output_dir),
            context.config.model.name,
        )
        find_dataset(context)
        context.options.stop.allow_interruption()  # a start may take minutes, and leaves nothing
        try:
            import_loader(context.config)
            with determinism(context.config):
                self._train_or_evaluate(context)
        except ImportError as error:
            raise missing_library(error, self.label) or error from error
        finally:
            context.options.stop.defer()

    def _give_up(self, error: TenysonError) -> None:
        """Ends the process of a rank whose main thread waits for a peer that is gone."""
        result = self.result or new_result(self)
        record_failure(result, error)
        try:
            with contextlib.suppress(TenysonError):
                self._leave_behind(result, error)
            self.options.leave_word(result)
        finally:
            os._exit(result.exit_code)

    def run_out_of_time(self) -> None:
        """Leaves what can be left and ends the process: its main thread does not get to it.

        Called on another thread, at the deadline of a stop. What is decided by then stands.
        """
        result = self.result or new_result(self)
        try:
            if not self._is_decided:
                reason = self.options.stop.reason
                error = StoppedError(
                    f"Stopped on request ({reason}); the time ran out before the work under way "
                    "had ended.",
                    hint="The next attempt goes on from the newest checkpoint.",
                )
                record_failure(result, error)
                self._mirror = None  # what is slow may be the storage
                self._leave_behind(result, error)
            self.options.leave_word(result)
        finally:
            os._exit(result.exit_code or int(not self._is_decided and ExitCode.STOPPED))

    def _leave_behind(self, result: JobResult, error: BaseException | None = None) -> None:
        """Writes the result, as far as the surroundings still allow; rank 0 does so for all."""
        result.total_time_seconds = round(time.monotonic() - self._started, 3)
        add_measurements(result, self._phases, self._tokens)
        if not self._place.is_main:
            leave_own_folder(self.output_dir, self._place.rank, error)
            return
        fence = self._fence or Fence(self.output_dir, self.attempt or 0)
        if self._meter is not None:
            result.cost = self._meter.cost()
        if self._context is not None:
            close_record(self._context)
        if self._meter is not None:
            keep_usage(self._meter, fence)
        leave_result(result, error, fence, self._mirror)
