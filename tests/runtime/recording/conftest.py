"""Rows of a telemetry database, for tests that let a job write them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from tenyson.telemetry.tables import TABLES


@pytest.fixture(scope="session", autouse=True)
def trackio_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps trackio out of the user's own folder; it reads the variable when it is imported."""
    os.environ.setdefault("TRACKIO_DIR", str(tmp_path_factory.mktemp("trackio")))


Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def db_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/telemetry.db"


@pytest.fixture
def rows_of(db_url: str) -> Rows:
    """Returns a table's rows, the oldest first."""

    def read(table: str) -> list[dict[str, Any]]:
        engine = create_engine(db_url)
        chosen = TABLES[table]
        try:
            with engine.connect() as connection:
                found = connection.execute(select(chosen).order_by(chosen.c.created_at))
                return [dict(row._mapping) for row in found]
        finally:
            engine.dispose()

    return read
