"""Telemetry of a run, as the jobs use it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tenyson.contract import File
from tenyson.errors import TenysonError
from tenyson.jobs.context import RunContext
from tenyson.telemetry import Telemetry, open_telemetry


@contextmanager
def recording(context: RunContext) -> Iterator[Telemetry]:
    """Yields the run's telemetry; its counts are in the result afterwards, a failure included."""
    result = context.result
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
        result.telemetry = telemetry.close()
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
