"""Telemetry of a run, as the jobs use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tenyson.contract import File
from tenyson.errors import TaskError, TenysonError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._data import call_hook
from tenyson.task import has_hook
from tenyson.telemetry import Retention, Telemetry, open_telemetry

CLOSE_SECONDS = 10.0
"""For the last rows; a stop may leave less. What does not get through waits in the spool."""


@contextmanager
def recording(context: RunContext) -> Iterator[Telemetry]:
    """Yields the run's telemetry; its counts are in the result afterwards, a failure included."""
    result, stop = context.result, context.options.stop
    stop.defer()  # rows must not be lost
    url = context.telemetry_db_url if context.ranks.is_main else None
    if url:
        _fetch_spool(context)
    settings = context.config.telemetry
    telemetry = open_telemetry(
        url,
        context.output_dir,
        run_id=result.run_id,
        attempt=result.attempt,
        job_type=context.job_type,
        is_current=context.fence.is_current,
        retention=Retention(settings.keep, settings.keep_every),
        redact=_redact_of(context),
    )
    try:
        yield telemetry
    finally:
        earlier = result.telemetry.get("written", 0)  # of a try that went back to a checkpoint
        result.telemetry = telemetry.close(min(CLOSE_SECONDS, max(0.5, stop.remaining_seconds / 2)))
        result.telemetry["written"] += earlier
        if telemetry.warning:
            context.warn(telemetry.warning)


def _redact_of(context: RunContext) -> Callable[[str], str] | None:
    """The task's `redact`, checked; None where it has none."""
    if not has_hook(context.task, "redact"):
        return None

    def redact(text: str) -> str:
        left = call_hook(context, "redact", text)
        if not isinstance(left, str):
            raise TaskError(f"redact returned {type(left).__name__}; expected text.")
        return left

    return redact


def _fetch_spool(context: RunContext) -> None:
    """Brings back the rows of an earlier attempt whose folder is gone.

    Rows that a later attempt stored since may be among them, which does no harm.
    """
    path, mirror = context.output_dir / File.TELEMETRY_SPOOL, context.mirror
    if mirror is None or path.exists():
        return
    try:
        if mirror.exists(path.name):
            mirror.fetch(path.name, path)
    except TenysonError as error:
        context.warn(f"Telemetry rows of earlier attempts stay in {mirror.uri}: {error.message}")
