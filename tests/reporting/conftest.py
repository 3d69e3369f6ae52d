"""A chain of runs in a real database, on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from tenyson.telemetry.reading import open_database
from tests.runtime.reporting.chain import write_chain


@pytest.fixture(scope="session")
def sqlite_chain(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('chain')}/telemetry.db"
    write_chain(url)
    return url


@pytest.fixture(scope="session")
def postgresql_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from hack.cluster.postgres import Postgres

    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    write_chain(server.database_url)
    yield server.database_url
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def chain_url(request: pytest.FixtureRequest) -> str:
    """URL of a database that holds the chain; tests only read it."""
    return str(request.getfixturevalue(f"{request.param}_chain"))


@pytest.fixture
def engine(chain_url: str) -> Iterator[Engine]:
    engine = open_database(chain_url)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def own_chain(sqlite_chain: str, tmp_path: Path) -> Any:
    """Makes a database of the test's own, which may be changed by SQL; returns its URL."""

    def make(*statements: str) -> str:
        shutil.copy(sqlite_chain.removeprefix("sqlite:///"), tmp_path / "own.db")
        url = f"sqlite:///{tmp_path}/own.db"
        engine = create_engine(url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()
        return url

    return make
