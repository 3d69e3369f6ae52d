"""Telemetry of a run, as the jobs use it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tenyson.contract import File
from tenyson.errors import TenysonError
from tenyson.jobs.context import RunContext
from tenyson.telemetry import Telemetry, open_telemetry

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
    telemetry = open_telemetry(
        url,
        context.output_dir,
        run_id=result.run_id,
        attempt=result.attempt,
        job_type=context.job_type,
        is_current=context.fence.is_current,
    )
    try:
        yield telemetry
    finally:
        earlier = result.telemetry.get("written", 0)  # of a try that went back to a checkpoint
        result.telemetry = telemetry.close(min(CLOSE_SECONDS, max(0.5, stop.remaining_seconds / 2)))
        result.telemetry["written"] += earlier
        if telemetry.warning:
            context.warn(telemetry.warning)


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
