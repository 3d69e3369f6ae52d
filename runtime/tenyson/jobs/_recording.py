"""Telemetry of a run, as the jobs use it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tenyson.jobs.context import RunContext
from tenyson.telemetry import Telemetry, open_telemetry


@contextmanager
def recording(context: RunContext) -> Iterator[Telemetry]:
    """Yields the run's telemetry; its counts are in the result afterwards, a failure included."""
    result = context.result
    telemetry = open_telemetry(
        context.telemetry_db_url,
        context.output_dir,
        run_id=result.run_id,
        attempt=result.attempt,
        job_type=context.job_type,
    )
    try:
        yield telemetry
    finally:
        result.telemetry = telemetry.close()
        if telemetry.warning:
            context.warn(telemetry.warning)
