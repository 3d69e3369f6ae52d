"""`tenyson database`: what it tells of a database, upgrades it, and brings what waits."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tests.telemetry.recorded import record


def test_status_shows_versions_and_rows(target: Any, open_run: Any, capsys: Any) -> None:
    telemetry = open_run()
    record(telemetry, 1)
    telemetry.close()
    assert main(["db", "status", "--db-url", target.url]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "version here    0" in said
    assert any(line.split() == ["generations", "1"] for line in said.splitlines())


def test_an_upgrade_says_what_it_did(target: Any, capsys: Any) -> None:
    assert main(["db", "upgrade", "--db-url", target.url]) == ExitCode.DONE
    assert "(was empty)" in capsys.readouterr().out
    assert main(["db", "upgrade", "--db-url", target.url]) == ExitCode.DONE
    assert "(nothing to do)" in capsys.readouterr().out


def test_without_a_url_the_command_says_where_to_give_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.delenv("TENYSON_TELEMETRY_DB_URL", raising=False)
    assert main(["db", "status"]) == ExitCode.CONFIG
    assert "TENYSON_TELEMETRY_DB_URL" in capsys.readouterr().err


def test_status_of_an_older_database_names_the_command(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "version_1" / "sqlite.sql").read_text())
    connection.close()
    assert main(["db", "status", "--db-url", f"sqlite:///{path}"]) == ExitCode.DEPENDENCY
    said = capsys.readouterr()
    assert "version here    0001" in said.out
    assert "tenyson db upgrade" in said.err


def test_rows_that_wait_are_brought_by_a_command(
    target: Any, open_run: Any, spool_path: Path, capsys: Any
) -> None:
    telemetry = open_run(url="postgresql://u:p@127.0.0.1:9/none")
    record(telemetry, 1)
    telemetry.close()
    command = ["db", "drain", str(spool_path.parent), "--db-url", target.url]
    assert f"tenyson db drain {spool_path.parent}" in telemetry.warning
    assert main(command) == ExitCode.DONE
    assert "brought to the database: 3" in capsys.readouterr().out
    assert len(target.rows("generations")) == 1
    assert main(command) == ExitCode.DONE
    assert "brought to the database: 0" in capsys.readouterr().out


def test_rows_that_are_refused_are_told_of(target: Any, spool_path: Path, capsys: Any) -> None:
    spool_path.parent.mkdir()
    spool_path.write_text('{"version": 2, "table": "later", "values": {}}\n')
    assert main(["db", "drain", str(spool_path.parent), "--db-url", target.url]) == ExitCode.TASK
    assert "refused: 1, see" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(target: Any, tmp_path: Path, capsys: Any) -> None:
    command = ["db", "drain", str(tmp_path / "none"), "--db-url", target.url]
    assert main(command) == ExitCode.DEPENDENCY
    assert "There is no folder" in capsys.readouterr().err
