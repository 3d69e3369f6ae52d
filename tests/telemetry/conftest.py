"""The same tests on SQLite and on a real PostgreSQL, both of which can be stopped and started."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from tenyson.telemetry import Telemetry, WriterSettings, open_telemetry
from tenyson.telemetry.tables import TABLES
from tenyson.telemetry.urls import parse_url

QUICK = WriterSettings(batch_seconds=0.01, retry_seconds=0.02, max_retry_seconds=0.1)


@dataclass
class Target:
    """A database that tests write to, look into, and take away."""

    url: str
    stop: Callable[[], None]
    start: Callable[[], None]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The table's rows, the oldest step first; none when there is no table yet."""
        engine = create_engine(self.url)
        chosen = TABLES[table]
        try:
            with engine.connect() as connection:
                if not engine.dialect.has_table(connection, table):
                    return []
                order = [chosen.c[n] for n in ("step", "id") if n in chosen.c]
                found = connection.execute(select(chosen).order_by(*order))
                return [dict(row._mapping) for row in found]
        finally:
            engine.dispose()

    def scalar(self, query: str) -> Any:
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return connection.scalar(text(query))
        finally:
            engine.dispose()

    def execute(self, statement: str) -> None:
        engine = create_engine(self.url)
        try:
            with engine.begin() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from hack.cluster.postgres import Postgres

    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """A database without any table."""
    if request.param == "sqlite":
        yield from _sqlite(tmp_path)
    else:
        yield from _postgresql(request.getfixturevalue("postgres"), request.node.name)


def _sqlite(folder: Path) -> Iterator[Target]:
    path = folder / "telemetry.db"
    holder = sqlite3.connect(path, isolation_level=None)

    def stop() -> None:
        holder.execute("BEGIN EXCLUSIVE")

    def start() -> None:
        holder.rollback()

    yield Target(f"sqlite:///{path}?timeout=0.05", stop, start)
    holder.close()


def _postgresql(server: Any, test: str) -> Iterator[Target]:
    name = "t_" + "".join(c if c.isalnum() else "_" for c in test.lower())[:40]
    url = parse_url(server.database_url)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    own = url.set(database=name).render_as_string(hide_password=False)
    yield Target(own, server.stop, server.start)
    server.start()  # where a test failed while it was stopped


@pytest.fixture
def open_run(target: Target, tmp_path: Path) -> Iterator[Callable[..., Telemetry]]:
    """Opens the telemetry of an attempt; all are closed in the end."""
    opened: list[Telemetry] = []

    def open_one(
        run_id: str = "run", attempt: int = 0, url: str | None = None, **options: Any
    ) -> Telemetry:
        options = {"settings": QUICK} | options
        telemetry = open_telemetry(
            url or target.url, tmp_path / "output", run_id=run_id, attempt=attempt, **options
        )
        opened.append(telemetry)
        return telemetry

    yield open_one
    for telemetry in opened:
        telemetry.close()


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Returns the condition's first true value; looks every 10 ms."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "output" / "telemetry_spool.jsonl"
