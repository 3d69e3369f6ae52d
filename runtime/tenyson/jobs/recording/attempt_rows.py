"""The rows of an attempt as a whole: that it runs, what it is made of, how it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from tenyson.contract import File, JobType
from tenyson.errors import TaskError
from tenyson.jobs.recording.events import Events
from tenyson.jobs.result import JobResult
from tenyson.jobs.stop import StopRequest
from tenyson.telemetry import Telemetry
from tenyson.telemetry.event_rows import Level, artifact_row, metric_rows
from tenyson.telemetry.run_rows import AttemptFacts, RunDescription, attempt_row, run_rows


class AttemptRows:
    """Keeps the rows of `experiments`, `runs` and `attempts` up to date, and tells of both ends.

    An attempt that is killed leaves its row as it began, without an end; the next one's start
    does not close it, for nobody knows when it ended.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        events: Events,
        description: RunDescription,
        began: datetime,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """Takes what the rows are made of.

        Args:
            telemetry: Where rows go.
            events: Where the events of both ends go.
            description: What the run is as far as its configuration tells.
            began: When the attempt began.
            redact: The task's, for the message of a failure: it may quote prompts and completions.
        """
        self._redact = redact
        self._telemetry = telemetry
        self._run = telemetry.run
        self._events = events
        self._description = description
        self._facts = AttemptFacts(started_at=began)

    def begin(self) -> None:
        """Records that the attempt runs."""
        self._put_run()
        if self._run.attempt == 0:
            self._events.tell("state", "run_started", f"Run {self._run.run_id} begins.")
        self._events.tell("state", "attempt_started", f"Attempt {self._run.attempt} begins.")

    def describe(self, manifest: Mapping[str, Any], parents: Sequence[str]) -> None:
        """Records what the run is made of, once its manifest says it."""
        self._description = self._description.with_manifest(manifest, tuple(parents))
        self._facts = replace(
            self._facts,
            hardware=manifest.get("hardware"),
            resumed_from_step=manifest.get("resumed_from_step"),
        )
        self._put_run()

    def end(self, result: JobResult, stop: StopRequest, uri: str | None = None) -> None:
        """Records how the attempt ended.

        Args:
            result: Filled in, its telemetry's counts apart.
            stop: Whether someone asked for the end.
            uri: Where the artifacts' copies are; None where there are none.
        """
        result = without_quotes(result, self._redact)
        if stop.is_made:
            self._tell_of_stop(stop)
        if result.status == "budget":
            said = result.stop_reason or "The budget is used up."
            self._events.tell("budget", "reached", said, level="warning", **result.cost)
        self._tell_of_end(result, status_of(result.status, stop))
        rows = [
            artifact_row(self._run, artifact, _copy_of(artifact, uri))
            for artifact in result.artifacts
        ]
        if result.job_type == JobType.EVAL:  # a training logs its metrics on the way
            now = datetime.now(UTC)
            rows += metric_rows(self._run, result.global_step or 0, {"eval": result.metrics}, now)
        self._telemetry.record([*rows, attempt_row(self._run, ended(self._facts, result, stop))])

    def _put_run(self) -> None:
        rows = run_rows(self._run, self._description, self._facts.started_at)
        self._telemetry.record([*rows, attempt_row(self._run, self._facts)])

    def _tell_of_stop(self, stop: StopRequest) -> None:
        given = stop.seconds_given
        within = f", to end within {given:.0f} s" if given is not None else ""
        self._events.tell(
            *("state", "stop_asked", f"Asked to stop ({stop.reason}){within}."),
            at=datetime.fromtimestamp(stop.asked_at, UTC) if stop.asked_at else None,
            reason=stop.reason,
            seconds_given=given,
            by_notice=stop.is_notice,
        )

    def _tell_of_end(self, result: JobResult, status: str) -> None:
        why = f": {result.failure.message}" if result.failure else "."
        level: Level = "error" if status in ("failed", "diverged") else "info"
        self._events.tell(
            *("state", "attempt_ended", f"Attempt {self._run.attempt} ended, {status}{why}"),
            level=level,
            status=status,
            exit_code=result.exit_code,
            seconds=result.total_time_seconds,
        )
        if status in ("success", "budget"):
            unit = "prompt" if result.job_type == JobType.EVAL else "step"
            said = f"The run is done after {unit} {result.global_step}."
            self._events.tell("state", "run_ended", said)


def _copy_of(artifact: Mapping[str, Any], uri: str | None) -> str | None:
    """Where the artifact's copy is; an offline run of W&B stays where it is."""
    return f"{uri}/{artifact['path']}" if uri and artifact["kind"] != "wandb" else None


def ended(facts: AttemptFacts, result: JobResult, stop: StopRequest) -> AttemptFacts:
    """Returns what is known of an attempt at its end."""
    return replace(
        facts,
        ended_at=datetime.now(UTC),
        status=status_of(result.status, stop),
        exit_code=result.exit_code,
        stop_reason=result.stop_reason,
        global_step=result.global_step,
        resumed_from_step=result.resumed_from_step,
        wandb_url=result.wandb_url,
        phase_seconds=result.phase_seconds,
        tokens=result.tokens,
        cost=result.cost,
        peak_memory=result.peak_memory,
        metrics=result.metrics,
        failure=asdict(result.failure) if result.failure else None,
        result=result.to_dict(),
        warnings=list(result.warnings),
    )


def without_quotes(result: JobResult, redact: Callable[[str], str] | None) -> JobResult:
    """Returns the result with what the task lets out of its failure's message."""
    if redact is None or result.failure is None:
        return result
    try:
        message = redact(result.failure.message)
    except TaskError:  # it may be what failed
        message = f"The message is in {File.JOB_RESULT}: the task's redact failed on it."
    return replace(result, failure=replace(result.failure, message=message))


def status_of(status: str, stop: StopRequest) -> str:
    """Returns a result's status; `preempted` where a cloud's notice ended the attempt.

    A SIGTERM may be a preemption, too, or somebody's `kubectl delete`: nobody here can tell.
    """
    return "preempted" if status == "stopped" and stop.is_notice else status
