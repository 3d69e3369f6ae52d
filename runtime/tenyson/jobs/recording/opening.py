"""When the record of an attempt begins and ends; light, what it is made of is imported late."""

from pathlib import Path
from typing import TYPE_CHECKING

from tenyson.contract import File
from tenyson.errors import TenysonError

if TYPE_CHECKING:
    from tenyson.jobs.context import RunContext


def open_record(context: "RunContext", started: float) -> None:
    """Gives the attempt a record, where there is a database or a tracker to tell, on rank 0.

    Args:
        context: The attempt.
        started: When it began, by the monotonic clock.

    Raises:
        ConfigError: The database's URL cannot be used, or a tracker's library is missing.
        DependencyError: The database answers, and its schema is of another version.
    """
    url = context.telemetry_db_url
    if not context.ranks.is_main or not (url or context.config.telemetry.report_to):
        return
    from tenyson.jobs.recording.making import make_record

    context.options.stop.defer()  # rows must not be lost
    if url:
        _fetch_spool(context)
    make_record(context, started)


def close_record(context: "RunContext") -> None:
    """Writes the attempt's end and waits for the last rows; the result gets their counts."""
    result, mirror = context.result, context.mirror
    is_uploaded = mirror is not None and result.status in ("success", "budget")
    uri = mirror.uri if mirror is not None and is_uploaded else None
    warning = context.record.close(result, context.options.stop, uri)
    if warning:
        result.warnings.append(warning)


def _fetch_spool(context: "RunContext") -> None:
    """Brings back the rows of an earlier attempt whose folder is gone.

    Rows that a later attempt stored since may be among them, which does no harm.
    """
    mirror = context.mirror
    if mirror is None:
        return
    waiting = Path(File.TELEMETRY_SPOOL)
    names = (str(waiting), str(waiting.with_suffix(".draining.jsonl")))
    try:
        for path in (context.output_dir / name for name in names):
            if not path.exists() and mirror.exists(path.name):
                mirror.fetch(path.name, path)
    except TenysonError as error:
        context.warn(f"Telemetry rows of earlier attempts stay in {mirror.uri}: {error.message}")
