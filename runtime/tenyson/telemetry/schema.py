"""The version of a database's tables: what it is, whether it will do, and how it is brought here.

An empty database is migrated by whoever comes first. Any other version than this one is refused:
rows of two meanings in one table would be worse than rows that wait. `tenyson db upgrade` is the
only one that changes tables which hold rows.
"""

import threading
from collections.abc import Set
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from tenyson.errors import DependencyError
from tenyson.telemetry.engines import make_upgrading_engine
from tenyson.telemetry.tables import TABLES
from tenyson.telemetry.urls import shown

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_COMMAND = "tenyson db upgrade"
_VERSION_TABLE = "alembic_version"
_TABLES_OF_VERSION_1 = frozenset({"sft_metrics", "epoch_metrics", "rollouts", "generations"})
_LOCK = 0x7E4F5A11
"""PostgreSQL's advisory lock under which tables are changed."""
RUN_PATIENCE_SECONDS = 30
"""How long a run waits for others that make the tables."""
UPGRADE_PATIENCE_SECONDS = 3600
"""How long `tenyson db upgrade` waits for others that upgrade or write."""
_one_at_a_time = threading.Lock()
"""Alembic keeps what it works on in a global variable."""


class Standing(Enum):
    """How a database's tables stand to this version of Tenyson."""

    EMPTY = "empty"
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class SchemaState:
    """The version of a database's tables."""

    standing: Standing
    version: str | None
    """Revision of its tables; None where it has none of ours."""


@cache
def known_versions() -> tuple[str, ...]:
    """Returns the revisions, the oldest first; the last is the one that this Tenyson needs."""
    return tuple(sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def judge(version: str | None, tables: Set[str]) -> SchemaState:
    """Returns how tables stand that have this revision.

    Args:
        version: What the table of Alembic says; None where it says nothing.
        tables: Those of our names that exist.
    """
    known = known_versions()
    if version is None:
        if not tables:
            return SchemaState(Standing.EMPTY, None)
        is_first = tables <= _TABLES_OF_VERSION_1
        return SchemaState(Standing.OLDER if is_first else Standing.FOREIGN, known[0])
    if version in known:
        if not tables & _TABLES_OF_VERSION_1:  # others number their revisions like this, too
            return SchemaState(Standing.FOREIGN, f"{version} (not ours)")
        is_last = version == known[-1]
        return SchemaState(Standing.CURRENT if is_last else Standing.OLDER, version)
    is_newer = version.isdecimal() and version > known[-1]
    return SchemaState(Standing.NEWER if is_newer else Standing.FOREIGN, version)


def state_of(connection: Connection) -> SchemaState:
    """Returns the version of the tables that the connection sees."""
    inspector = inspect(connection)
    version = None
    if inspector.has_table(_VERSION_TABLE):
        version = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))
        if version == known_versions()[-1] and inspector.has_table("generations"):
            return SchemaState(Standing.CURRENT, version)
    return judge(version, {name for name in TABLES if inspector.has_table(name)})


def require_schema(engine: Engine) -> None:
    """Makes the tables of an empty database, and refuses one of another version.

    Raises:
        DependencyError: Its tables are of another version, or another program's.
        SQLAlchemyError: It does not answer, or does not let us in.
    """
    with engine.connect() as connection:
        state = state_of(connection)
    if state.standing is Standing.EMPTY:
        _, state = migrate(engine, only_if_empty=True)
    if state.standing is not Standing.CURRENT:
        raise refusal(engine, state)


def refusal(engine: Engine, state: SchemaState) -> DependencyError:
    """Returns what to say of a database that will not do."""
    place, needed = f"The telemetry database {shown(engine.url)}", known_versions()[-1]
    match state.standing:
        case Standing.OLDER:
            return DependencyError(
                f"{place} has tables of version {state.version}; this tenyson needs {needed}.",
                hint=f"Run `{UPGRADE_COMMAND}` (with --db-url, or TENYSON_TELEMETRY_DB_URL set).",
            )
        case Standing.NEWER:
            return DependencyError(
                f"{place} has tables of version {state.version}; this tenyson knows {needed}.",
                hint="Update tenyson; or use another database.",
            )
        case Standing.EMPTY:
            return DependencyError(
                f"{place} holds no telemetry yet.",
                hint="A run makes the tables with its first rows; check that the URL is the one "
                "of your runs.",
            )
        case _:
            found = (
                f"of revision {state.version!r}"
                if state.version not in known_versions()
                else ("of the same names as ours")
            )
            return DependencyError(
                f"{place} has tables {found}, which are another program's.",
                hint="Give telemetry a database of its own, or a schema: add "
                "?options=-csearch_path%3DNAME to the URL.",
            )


def migrate(engine: Engine, *, only_if_empty: bool = False) -> tuple[SchemaState, SchemaState]:
    """Brings the tables to this version in one transaction; returns what they were and are.

    Several processes may do so at once: the first one works, the others wait and find it done.

    Args:
        engine: Where the database is.
        only_if_empty: Leaves tables that hold rows of an older version alone.
    """
    patience = RUN_PATIENCE_SECONDS if only_if_empty else UPGRADE_PATIENCE_SECONDS
    upgrading = make_upgrading_engine(engine.url, patience)
    wanted = {Standing.EMPTY} if only_if_empty else {Standing.EMPTY, Standing.OLDER}
    try:
        with _one_at_a_time, upgrading.begin() as connection:
            if connection.dialect.name == "postgresql":
                if only_if_empty:  # a run goes on with its spool where others take long
                    connection.execute(text(f"SET LOCAL lock_timeout = '{RUN_PATIENCE_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            before = state_of(connection)
            if before.standing not in wanted:
                return before, before
            _run_migrations(connection)
            return before, state_of(connection)
    finally:
        upgrading.dispose()


def _run_migrations(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
