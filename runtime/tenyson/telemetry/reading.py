"""Opening a telemetry database to read it: for reports, for the command line, for data sets."""

from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from tenyson.errors import CredentialsError, DependencyError, TenysonError
from tenyson.telemetry.engines import make_engine
from tenyson.telemetry.schema import SchemaState, Standing, refusal, state_of
from tenyson.telemetry.troubles import reason_of, trouble_of
from tenyson.telemetry.urls import parse_url, shown


def open_database(db_url: str) -> Engine:
    """Returns an engine for a database that has this version's tables.

    Raises:
        ConfigError: The URL cannot be used.
        CredentialsError: It refuses the password, or the right to read.
        DependencyError: It is not there, does not answer, is empty, or is of another version.
    """
    engine, state = open_any_version(db_url)
    if state.standing is not Standing.CURRENT:
        engine.dispose()
        raise refusal(engine, state)
    return engine


def open_any_version(db_url: str) -> tuple[Engine, SchemaState]:
    """Returns an engine, and the version of the tables that it finds; changes nothing.

    Raises:
        ConfigError: The URL cannot be used.
        CredentialsError: It refuses the password, or the right to read.
        DependencyError: It is not there, or does not answer.
    """
    url = parse_url(db_url)
    _require_file(url)
    engine = make_engine(url, prepares=False)
    try:
        with engine.connect() as connection:
            return engine, state_of(connection)
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise cannot_open(error, url) from None


def cannot_open(error: Exception, url: URL) -> TenysonError:
    """Returns the error of a database that does not let us in."""
    trouble = trouble_of(error)
    if trouble is None:
        return DependencyError(
            f"The telemetry database {shown(url)} does not answer: {reason_of(error, url)}.",
            hint="Check host and port of the URL, and that the server runs.",
        )
    kind = CredentialsError if trouble.is_about_rights else DependencyError
    return kind(f"The telemetry database {shown(url)} {trouble.said}.", hint=trouble.hint)


def _require_file(url: URL) -> None:
    """Refuses a SQLite file that is not there, which connecting would make."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return
    path = url.database.removeprefix("file:").partition("?")[0]
    if not Path(path).is_file():
        raise DependencyError(
            f"There is no telemetry database {path} (looked from {Path.cwd()}).",
            hint="Give the file that your runs write: telemetry.db_url of their configuration.",
        )
