"""Which telemetry database a command reads."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenyson.contract import Env
from tenyson.errors import ConfigError, Problem

if TYPE_CHECKING:
    from sqlalchemy import Engine


def add_db_url(parser: argparse.ArgumentParser) -> None:
    """Adds `--db-url`, by default from the environment."""
    parser.add_argument(
        "--db-url", default=os.environ.get(Env.TELEMETRY_DB_URL), metavar="URL",
        help=f"telemetry database, sqlite:///FILE or postgresql://… (default: "
        f"${Env.TELEMETRY_DB_URL})",
    )  # fmt: skip


@contextmanager
def database_of(url: str | None) -> "Iterator[Engine]":
    """Yields the database to read, checked; closes it afterwards.

    Raises:
        TenysonError: None is named, or it cannot be read.
    """
    if not url:
        raise ConfigError(
            [Problem("--db-url", "names no telemetry database")],
            hint=f"Give --db-url sqlite:///telemetry.db or postgresql://…, or set "
            f"{Env.TELEMETRY_DB_URL}.",
        )
    from tenyson.telemetry.reading import open_database

    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()
