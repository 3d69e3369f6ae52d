"""Engines: how Tenyson connects to SQLite and to PostgreSQL."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tenyson.telemetry.urls import refused

CONNECT_TIMEOUT_SECONDS = 5


def make_engine(url: URL, *, prepares: bool = True) -> Engine:
    """Returns an engine that has not connected yet.

    A connection to PostgreSQL is given back after each use: a run that computes holds none, and
    a hundred runs get by with the hundred connections that a server allows by itself.

    Args:
        url: Where the database is.
        prepares: Whether to switch a SQLite file to write-ahead logging, which stays; not for one
            that may be another program's.

    Raises:
        ConfigError: The URL names a driver that cannot be used.
    """
    try:
        dialect = url.get_dialect()
        if dialect.is_async:
            raise refused(f"names {url.drivername!r}, an asynchronous driver")
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url)
            if prepares:
                event.listen(engine, "connect", _prepare_sqlite)
            return engine
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "tcp_user_timeout": 10_000,
            "application_name": "tenyson",
        }
        arguments = {k: v for k, v in arguments.items() if k not in url.query}
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    except ImportError as error:
        module = getattr(error, "name", None) or url.drivername
        raise refused(f"needs the driver {module!r}, which is not installed") from None
    except (SQLAlchemyError, ValueError, TypeError):
        raise refused(f"names {url.drivername!r}, which SQLAlchemy does not know") from None


def make_upgrading_engine(url: URL, patience_seconds: float) -> Engine:
    """Returns an engine whose transactions hold a schema change whole, also on SQLite.

    SQLite's driver begins a transaction before the first INSERT only, and checks of foreign keys
    would stop a table from being made anew.

    Args:
        url: Where the database is.
        patience_seconds: How long to wait for another that writes to a SQLite file, where the URL
            does not say.
    """
    if url.get_backend_name() != "sqlite":
        return make_engine(url)
    arguments = {} if "timeout" in url.query else {"timeout": patience_seconds}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


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
