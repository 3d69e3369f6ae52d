"""`tenyson db`: the telemetry database's version, what is in it, and rows that wait for it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tenyson.contract import Env, ExitCode
from tenyson.errors import ConfigError, DependencyError, Problem

if TYPE_CHECKING:
    from sqlalchemy import Engine


def main(arguments: Sequence[str]) -> int:
    """Carries out `upgrade`, `status` or `drain`; returns the exit code."""
    options = _parser().parse_args(arguments)
    url = options.db_url or os.environ.get(Env.TELEMETRY_DB_URL)
    if not url:
        raise ConfigError(
            [Problem("telemetry.db_url", "there is no URL of a telemetry database")],
            hint=f"Give --db-url URL, or set {Env.TELEMETRY_DB_URL}.",
        )
    if options.action == "drain":
        return _drain(url, options.folders)
    return _upgrade(url) if options.action == "upgrade" else _status(url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tenyson db",
        description="Brings the telemetry database to this version, shows what is in it, or brings "
        "rows to it that a run kept while it was away.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="upgrade|status|drain")
    for name, said, more in (
        ("upgrade", "make the tables, or bring older ones to this version",
         "Makes the tables of an empty database, or brings older ones to this version. It is one "
         "transaction: it happens whole or not at all, and several at once are safe. Back the "
         "database up before; there is no way back but the backup. Runs that write meanwhile keep "
         "their rows in their output folders."),
        ("status", "show the version of the tables, and how many rows each has",
         "Shows the version of the tables, and how many rows each has. Ends with 0 where runs of "
         "this tenyson can write, with 69 where they cannot."),
        ("drain", "bring the rows that wait in output folders to the database",
         "Brings the rows that wait in a finished run's output folder to the database, in order. A "
         "row that is there already is not doubled. The next attempt of a run does so by itself."),
    ):  # fmt: skip
        action = actions.add_parser(name, help=said, description=more)
        action.add_argument(
            "--db-url", metavar="URL",
            help=f"sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DB (default: "
            f"${Env.TELEMETRY_DB_URL})",
        )  # fmt: skip
    drain = actions.choices["drain"]
    drain.add_argument("folders", nargs="+", metavar="FOLDER", help="output folder of a run")
    return parser


def _upgrade(url: str) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from tenyson.telemetry.engines import make_engine
    from tenyson.telemetry.reading import cannot_open
    from tenyson.telemetry.schema import Standing, migrate, refusal, state_of
    from tenyson.telemetry.troubles import reason_of
    from tenyson.telemetry.urls import parse_url, shown

    engine = make_engine(parse_url(url), prepares=False)
    try:
        with engine.connect() as connection:
            state_of(connection)
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise cannot_open(error, engine.url) from None
    try:
        before, after = migrate(engine)
    except (SQLAlchemyError, OSError) as error:
        raise DependencyError(
            f"The upgrade of {shown(engine.url)} failed and nothing was changed: "
            f"{reason_of(error, engine.url)}.",
            hint="Once the cause is removed, run the same command again.",
        ) from None
    finally:
        engine.dispose()
    if after.standing is not Standing.CURRENT:
        raise refusal(engine, after)
    was = f"was {before.version}" if before.version else "was empty"
    said = "nothing to do" if before == after else was
    sys.stdout.write(f"{shown(engine.url)}: tables of version {after.version} ({said}).\n")
    return int(ExitCode.DONE)


def _drain(url: str, folders: Sequence[str]) -> int:
    from tenyson.telemetry.draining import drain_spool
    from tenyson.telemetry.spool import Spool

    refused = 0
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise DependencyError(
                f"There is no folder {folder} (looked from {Path.cwd()}).",
                hint="Give the output folder of a run, the one that holds telemetry_spool.jsonl.",
            )
        rows = drain_spool(url, folder)
        sys.stdout.write(f"{folder}: brought to the database: {rows:,}\n")
        if count := Spool(folder).count_refused():
            refused += count
            sys.stderr.write(f"{folder}: refused: {count:,}, see {Spool(folder).refused}\n")
    return int(ExitCode.TASK if refused else ExitCode.DONE)


def _status(url: str) -> int:
    from tenyson.telemetry.reading import open_any_version
    from tenyson.telemetry.schema import Standing, known_versions, refusal
    from tenyson.telemetry.urls import shown

    engine, state = open_any_version(url)
    needed = known_versions()[-1]
    lines = [
        f"database        {shown(engine.url)}",
        f"version here    {state.version or 'none: no tables yet'}",
        f"version known   {needed}",
    ]
    sys.stdout.write("\n".join(lines + _rows_per_table(engine)) + "\n")
    engine.dispose()
    # An empty one will do: the first run makes its tables.
    if state.standing in (Standing.CURRENT, Standing.EMPTY):
        return int(ExitCode.DONE)
    error = refusal(engine, state)
    sys.stderr.write(f"\n{error.message}\n  {error.hint}\n")
    return int(error.exit_code)


def _rows_per_table(engine: "Engine") -> list[str]:
    from sqlalchemy import func, inspect, select, table
    from sqlalchemy.exc import SQLAlchemyError

    from tenyson.telemetry.reading import cannot_open
    from tenyson.telemetry.tables import TABLES

    lines = []
    try:
        with engine.connect() as connection:
            inspector = inspect(connection)
            for name in sorted(TABLES):
                if inspector.has_table(name):
                    rows = connection.scalar(select(func.count()).select_from(table(name)))
                    lines.append(f"  {name:18}{rows:>14,}")
    except (SQLAlchemyError, OSError) as error:
        raise cannot_open(error, engine.url) from None
    return ["rows", *lines] if lines else []
