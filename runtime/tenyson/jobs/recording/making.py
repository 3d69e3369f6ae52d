"""What the record of an attempt is made of: rows, events, numbers, trackers."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tenyson.contract import Env, File, JobType
from tenyson.errors import TaskError
from tenyson.jobs.context import RunContext
from tenyson.jobs.recording.attempt_rows import AttemptRows
from tenyson.jobs.recording.budget_forecast import BudgetForecast
from tenyson.jobs.recording.events import Events
from tenyson.jobs.recording.live_record import LiveRecord
from tenyson.jobs.recording.logged_numbers import LoggedNumbers
from tenyson.jobs.tracking.opening import open_trackers, require_libraries
from tenyson.jobs.tracking.tracker import TrackedRun, Trackers
from tenyson.manifest import recipe_of, sha256_of_json, without_secrets
from tenyson.task import has_hook
from tenyson.telemetry import Retention, open_telemetry
from tenyson.telemetry.run_rows import RunDescription


def make_record(context: RunContext, started: float) -> None:
    """Gives the attempt its record, and records that it runs; see `open_record`."""
    require_libraries(context.config.telemetry.report_to)
    settings, redact = context.config.telemetry, _redact_of(context)
    telemetry = open_telemetry(
        context.telemetry_db_url,
        context.output_dir,
        run_id=context.result.run_id,
        attempt=context.result.attempt,
        is_current=context.fence.is_current,
        retention=Retention(settings.keep, settings.keep_every),
        redact=redact,
    )
    events = Events(telemetry, lambda: context.result.global_step or 0)
    telemetry.listen(lambda reason: tell_of_database(events, reason))
    began = datetime.now(UTC) - timedelta(seconds=time.monotonic() - started)
    rows = AttemptRows(telemetry, events, describe(context), began, redact)
    forecast = BudgetForecast(events, context.config.budget)
    trackers = Trackers(warn=context.warn)
    context.record = LiveRecord(
        telemetry,
        events,
        rows,
        LoggedNumbers(telemetry, context.phases, context.meter, forecast),
        trackers,
        context.output_dir,
    )
    if telemetry.enabled:
        rows.begin()
    trackers.add(open_trackers(settings.report_to, _told(context), context.warn))


def tell_of_database(events: Events, reason: str | None) -> None:
    """Tells that the database is away, for a reason, or back."""
    if reason is None:
        events.tell("telemetry", "back", "The database is back and has what waited for it.")
        return
    said = f"The database is away, rows are kept in the output folder: {reason}"
    events.tell("telemetry", "away", said, level="warning", reason=reason)


def _redact_of(context: RunContext) -> Callable[[str], str] | None:
    """The task's `redact`, checked; None where it has none."""
    if not has_hook(context.task, "redact"):
        return None

    def redact(text: str) -> str:
        from tenyson.jobs.data._data import call_hook  # heavy, and there by the time of a text

        left = call_hook(context, "redact", text)
        if not isinstance(left, str):
            raise TaskError(f"redact returned {type(left).__name__}; expected text.")
        return left

    return redact


def describe(context: RunContext) -> RunDescription:
    """Returns what the configuration says of the run, and an earlier attempt's manifest, if any."""
    config = without_secrets(context.plain_config)
    seeded = "evaluation" if context.job_type is JobType.EVAL else "training"
    description = RunDescription(
        job_type=context.job_type.value,
        name=os.environ.get(Env.JOB_NAME) or context.output_dir.resolve().name,
        namespace=os.environ.get(Env.JOB_NAMESPACE) or None,
        experiment=context.config.telemetry.experiment,
        task=recipe_of(context.task),
        model=context.config.model.name,
        config=config,
        config_hash=sha256_of_json(config),
        seed=config[seeded]["seed"],
    )
    earlier = _earlier_manifest(context)
    if earlier is None:
        return description
    parents = tuple(run["run_id"] for run in earlier.get("parent_runs") or ())
    return description.with_manifest(earlier, parents)


def _earlier_manifest(context: RunContext) -> dict[str, Any] | None:
    """Returns the manifest that an earlier attempt at this run has left in the output folder."""
    try:
        text = (context.output_dir / File.MANIFEST).read_text(encoding="utf-8")
        content = json.loads(text)
        return dict(content) if content.get("run_id") == context.result.run_id else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _told(context: RunContext) -> TrackedRun:
    """Returns what trackers are told of the run."""
    config, run_id = context.config.telemetry, context.result.run_id
    return TrackedRun(
        run_id=run_id,
        job_type=context.job_type.value,
        project=config.project,
        name=config.run_name or os.environ.get(Env.JOB_NAME) or run_id,
        folder=context.output_dir,
        group=config.group or config.experiment,
        tags=tuple(config.tags),
        config=without_secrets(context.plain_config),
    )
