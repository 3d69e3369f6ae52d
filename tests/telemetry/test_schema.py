"""Versions of the tables: how they are made, told and refused."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tenyson.errors import DependencyError
from tenyson.telemetry import drain_spool, open_telemetry
from tenyson.telemetry.reading import open_any_version, open_database
from tenyson.telemetry.schema import SchemaState, Standing, judge
from tenyson.telemetry.tables import TABLES, Base
from tenyson.telemetry.urls import parse_url
from tests.telemetry.old_databases import HEAD, make_version_1, upgrade


def test_migrations_make_the_tables_of_the_models(target: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    assert upgrade(target)[1] == SchemaState(Standing.CURRENT, HEAD)
    engine = create_engine(parse_url(target.url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_an_older_database_has_the_tables_of_the_models_after_its_upgrade(target: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    make_version_1(target)
    upgrade(target)
    engine = create_engine(parse_url(target.url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_a_run_is_refused_by_an_older_database_with_the_command(
    target: Any, tmp_path: Path
) -> None:
    make_version_1(target)
    with pytest.raises(DependencyError, match=f"version 0001; this tenyson needs {HEAD}") as caught:
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)
    assert caught.value.exit_code is ExitCode.DEPENDENCY
    assert "tenyson db upgrade" in caught.value.hint
    assert "runs" not in inspect(create_engine(parse_url(target.url))).get_table_names()


def test_a_newer_database_asks_for_a_newer_tenyson(target: Any, tmp_path: Path) -> None:
    upgrade(target)
    target.execute("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(DependencyError, match="version 0099") as caught:
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)
    assert "Update tenyson" in caught.value.hint
    with pytest.raises(DependencyError, match="version 0099"):
        open_database(target.url)


def test_another_programs_tables_are_left_alone(target: Any, tmp_path: Path) -> None:
    target.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")
    with pytest.raises(DependencyError, match="another program's"):
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)
    assert upgrade(target)[1].standing is Standing.FOREIGN


def test_another_program_that_numbers_its_revisions_alike_is_left_alone(
    target: Any, tmp_path: Path
) -> None:
    target.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    target.execute(f"INSERT INTO alembic_version VALUES ('{HEAD}')")
    with pytest.raises(DependencyError, match=f"'{HEAD} .not ours.', which are another program's"):
        open_database(target.url)
    with pytest.raises(DependencyError, match="another program's"):
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)


def test_looking_at_another_programs_file_does_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "another.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (number INTEGER)")
    before = path.read_bytes()
    url = f"sqlite:///{path}"
    open_any_version(url)[0].dispose()
    assert main(["db", "upgrade", "--db-url", url]) == ExitCode.DEPENDENCY
    assert path.read_bytes() == before


def test_a_database_that_changes_its_version_midway_leaves_the_rows_in_the_spool(
    target: Any, open_run: Any, wait_until: Any, spool_path: Path
) -> None:
    telemetry = open_run()
    telemetry.record_sft_metrics(1, "train", {"loss": 1.0})
    wait_until(lambda: target.rows("sft_metrics"))
    target.execute("UPDATE alembic_version SET version_num = '0099'")
    target.execute("ALTER TABLE sft_metrics RENAME TO later_metrics")
    telemetry.record_sft_metrics(2, "train", {"loss": 1.0})
    assert telemetry.close() == {"written": 1, "spooled": 1}
    assert "0099" in telemetry.warning
    target.execute("ALTER TABLE later_metrics RENAME TO sft_metrics")
    target.execute(f"UPDATE alembic_version SET version_num = '{HEAD}'")
    assert drain_spool(target.url, spool_path.parent) == 1


@pytest.mark.parametrize(
    ("version", "tables", "standing"),
    [
        (None, set(), Standing.EMPTY),
        (None, {"rollouts"}, Standing.OLDER),
        (None, {"rollouts", "runs"}, Standing.FOREIGN),
        ("0001", {"rollouts"}, Standing.OLDER),
        (HEAD, set(TABLES), Standing.CURRENT),
        ("0099", set(TABLES), Standing.NEWER),
        ("1975ea83b712", set(), Standing.FOREIGN),
        ("0001", set(), Standing.FOREIGN),
        (HEAD, {"runs", "experiments"}, Standing.FOREIGN),
    ],
)
def test_how_tables_stand(version: str | None, tables: set[str], standing: Standing) -> None:
    assert judge(version, tables).standing is standing
