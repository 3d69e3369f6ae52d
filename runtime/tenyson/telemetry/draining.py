"""Bringing the rows of a spool to the database after the run."""

from pathlib import Path

from tenyson.errors import DependencyError
from tenyson.telemetry.database import Database, DatabaseAway
from tenyson.telemetry.spool import Spool


def drain_spool(db_url: str, output_dir: str | Path) -> int:
    """Moves the rows that a finished run kept in its output folder; returns their number.

    Raises:
        ConfigError: The URL cannot be used.
        DependencyError: The database is still away, or of another version; the rows stay.
    """
    database = Database(db_url)
    try:
        return Spool(Path(output_dir)).drain(database)
    except DatabaseAway as trouble:
        raise DependencyError(
            f"The telemetry database {database.shown_url} is away: {trouble}.",
            hint=f"The rows stay in {output_dir}; try again when it is back.",
        ) from None
    finally:
        database.close()
