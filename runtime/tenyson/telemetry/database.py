"""The database behind the telemetry: its URL, its tables, and inserts that may be repeated."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from tenyson.errors import ConfigError, Problem
from tenyson.telemetry.rows import Row, storable
from tenyson.telemetry.tables import TABLES

CONNECT_TIMEOUT_SECONDS = 5
_SCHEMA_LOCK = 0x7E4F5A11
"""PostgreSQL's advisory lock under which the tables are made."""


class DatabaseAway(Exception):  # noqa: N818
    """Raised when the database cannot take rows now; the same rows may be tried again."""


class RowsRefused(Exception):  # noqa: N818
    """Raised when the database works but does not take these rows."""


class Database:
    """SQLite or PostgreSQL, connected to when the first rows come."""

    def __init__(self, db_url: str) -> None:
        """Checks the URL and loads its driver; does not connect.

        Raises:
            ConfigError: The URL is none, or names a database or a driver that cannot be used.
        """
        self.url = parse_url(db_url)
        self._secrets = _secrets_of(self.url)
        self._engine = _make_engine(self.url)
        self._dialect: Any = postgresql if self.url.get_backend_name() == "postgresql" else sqlite
        self._has_tables = False

    @property
    def shown_url(self) -> str:
        """The URL without its password and its options."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    def insert(self, rows: Sequence[Row]) -> None:
        """Stores the rows in one transaction; of a row that is there already the newer one stays.

        Raises:
            DatabaseAway: Nothing was stored; the database is to be tried again later.
            RowsRefused: Nothing was stored; at least one row will never be taken.
        """
        try:
            with self._engine.begin() as connection:
                if not self._has_tables:
                    _create_tables(connection)
                for name, values in _by_table(rows).items():
                    connection.execute(self._upsert(TABLES[name]), values)
            self._has_tables = True
        except (DataError, IntegrityError) as error:
            raise RowsRefused(self._reason(error)) from None
        except (SQLAlchemyError, OSError) as error:
            self._has_tables = False
            raise DatabaseAway(self._reason(error)) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise RowsRefused(self._reason(error)) from None

    def _upsert(self, table: Table) -> Any:
        """Inserts a row, or takes its values where it was made later: a step was done again."""
        insert = self._dialect.insert(table)
        values = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
        return insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_=values,
            where=insert.excluded.created_at > table.c.created_at,
        )

    def close(self) -> None:
        """Closes the connection."""
        self._engine.dispose()

    def _reason(self, error: Exception) -> str:
        """The driver's first line, without SQL, parameters or a password."""
        cause = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines()
        reason = f"{type(cause).__name__}: {lines[0] if lines else 'no message'}"
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return reason[:300]


def parse_url(db_url: str) -> URL:
    """Returns the URL; `postgres://` and `postgresql://` mean psycopg 3.

    Raises:
        ConfigError: It is no URL of SQLite or PostgreSQL.
    """
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        # The message and the cause would show the URL, and with it the password.
        raise _refused("is no database URL") from None
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"postgresql", "sqlite"}:
        raise _refused(f"names the database {url.get_backend_name()!r}")
    return url


def _make_engine(url: URL) -> Engine:
    try:
        dialect = url.get_dialect()
        if dialect.is_async:
            raise _refused(f"names {url.drivername!r}, an asynchronous driver")
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url)
            event.listen(engine, "connect", _prepare_sqlite)
            return engine
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "tcp_user_timeout": 10_000,
            "application_name": "tenyson",
        }
        arguments = {k: v for k, v in arguments.items() if k not in url.query}
        return create_engine(
            url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=arguments
        )
    except ImportError as error:
        module = getattr(error, "name", None) or url.drivername
        raise _refused(f"needs the driver {module!r}, which is not installed") from None
    except (SQLAlchemyError, ValueError, TypeError):
        raise _refused(f"names {url.drivername!r}, which SQLAlchemy does not know") from None


def _refused(problem: str) -> ConfigError:
    return ConfigError(
        [Problem("telemetry.db_url", f"{problem}; expected SQLite or PostgreSQL")],
        hint="It comes from the configuration or from TENYSON_TELEMETRY_DB_URL. Examples: "
        "sqlite:///./tenyson_telemetry.db, postgresql://user:password@host:5432/db.",
    )


def _secrets_of(url: URL) -> list[str]:
    plain = [str(url.password)] if url.password else []
    for name, value in url.query.items():
        if "password" in name or "passfile" in name:
            plain += [value] if isinstance(value, str) else list(value)
    return [form for s in plain if s for form in {s, quote(s, safe=""), quote_plus(s)}]


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode = WAL")
    except connection.OperationalError:
        pass  # Another process is switching to WAL at this moment; it holds for everyone.
    finally:
        cursor.close()


def _create_tables(connection: Connection) -> None:
    """Makes what is missing; several processes may do so at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
    for table in TABLES.values():
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))


def _by_table(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, a table that others refer to first."""
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row.table].append({name: storable(value) for name, value in row.values.items()})
    return {name: grouped[name] for name in TABLES if name in grouped}
