"""The database behind the telemetry: inserts that may be repeated, and why they fail."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from tenyson.errors import DependencyError
from tenyson.telemetry.engines import make_engine
from tenyson.telemetry.rows import Row
from tenyson.telemetry.schema import require_schema
from tenyson.telemetry.tables import TABLES
from tenyson.telemetry.troubles import reason_of
from tenyson.telemetry.urls import parse_url, shown

_DRIVERS_ON_A_VALUE = ("Error binding parameter", "cannot adapt type")
"""What SQLite's driver and psycopg say of a value that they have no type for."""


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
        self._engine = make_engine(self.url)
        self._dialect: Any = postgresql if self.url.get_backend_name() == "postgresql" else sqlite
        self._upserts: dict[str, Any] = {}
        self._has_schema = False

    @property
    def shown_url(self) -> str:
        """The URL without its password and its options."""
        return shown(self.url)

    def prepare(self) -> None:
        """Connects, and makes the tables of an empty database.

        Raises:
            DependencyError: Its tables are of another version; says which command helps.
            DatabaseAway: It does not answer, or does not let us in.
        """
        try:
            require_schema(self._engine)
            self._has_schema = True
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAway(reason_of(error, self.url)) from None

    def insert(self, rows: Sequence[Row]) -> None:
        """Stores the rows in one transaction; of a row that is there already the newer one stays.

        Raises:
            DatabaseAway: Nothing was stored; the database is to be tried again later.
            RowsRefused: Nothing was stored; at least one row will never be taken.
        """
        grouped = _by_table(rows)
        if not self._has_schema:
            try:
                self.prepare()
            except DependencyError as error:  # another version since the run began
                raise DatabaseAway(str(error)) from None
        try:
            with self._engine.begin() as connection:
                for name, values in grouped.items():
                    connection.execute(self._upsert(name), values)
        except (DataError, IntegrityError) as error:
            raise RowsRefused(reason_of(error, self.url)) from None
        except StatementError as error:
            if _is_about_a_value(error):
                raise RowsRefused(reason_of(error, self.url)) from None
            raise self._away(error) from None
        except (SQLAlchemyError, OSError) as error:
            raise self._away(error) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise RowsRefused(reason_of(error, self.url)) from None

    def close(self) -> None:
        """Closes the connection."""
        self._engine.dispose()

    def _away(self, error: Exception) -> DatabaseAway:
        self._has_schema = False
        return DatabaseAway(reason_of(error, self.url))

    def _upsert(self, name: str) -> Any:
        if name not in self._upserts:
            self._upserts[name] = _make_upsert(self._dialect, TABLES[name])
        return self._upserts[name]


def _is_about_a_value(error: StatementError) -> bool:
    """Whether a value is none of its column's type, or over a limit (54: a key of 3 kB)."""
    if not isinstance(error, DBAPIError):
        return True
    said, state = str(error.orig), getattr(error.orig, "sqlstate", None) or ""
    return state.startswith("54") or any(words in said for words in _DRIVERS_ON_A_VALUE)


def _make_upsert(dialect: Any, table: Table) -> Any:
    """Inserts a row, or takes its values where it was made later: a step was done again."""
    insert = dialect.insert(table)
    if table.info.get("first_stays"):
        return insert.on_conflict_do_nothing()
    # A run's own moment is that of its beginning; another column says when its row was made.
    made = "updated_at" if "updated_at" in table.columns else "created_at"
    kept = {column.name for column in table.primary_key} | {"created_at"} - {made}
    values = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in kept}
    if table.name == "runs":
        values |= _of_the_manifest(insert.excluded, table)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_=values,
        where=insert.excluded[made] > table.c[made],
    )


def _of_the_manifest(new: Any, table: Table) -> dict[str, Any]:
    """What a run's manifest says: a later attempt does not know it yet, and must not wipe it."""
    names = ("manifest", "parents", "dataset_key", "git_sha")
    is_known = new["manifest"].is_not(None)
    return {name: case((is_known, new[name]), else_=table.c[name]) for name in names}


def _by_table(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table with all its columns, a table that others refer to first.

    Raises:
        RowsRefused: A row names a table or a column that is not there.
    """
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        columns = _COLUMNS.get(row.table)
        if columns is None or row.values.keys() - columns.keys():
            raise RowsRefused(f"no table {row.table!r} with columns {', '.join(row.values)}")
        grouped[row.table].append(columns | row.values)
    for values in grouped.get("runs", ()):
        values["updated_at"] = values["updated_at"] or values["created_at"]
    return {name: grouped[name] for name in TABLES if name in grouped}


def _left_out(table: Table) -> dict[str, Any]:
    """What a row holds that leaves columns out; SQLAlchemy wants the same columns of all rows."""
    defaults: dict[str, Any] = dict.fromkeys(column.name for column in table.columns)
    return defaults | ({"sampling_round": 0} if "sampling_round" in defaults else {})


_COLUMNS = {name: _left_out(table) for name, table in TABLES.items()}
