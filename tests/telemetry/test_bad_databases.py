"""Databases that refuse, are full, or are not what the URL says: sentences, and no row lost."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tenyson.errors import CredentialsError, DependencyError
from tenyson.telemetry import Completion, EvalSample, PromptGroup, drain_spool
from tenyson.telemetry.reading import open_database
from tenyson.telemetry.urls import parse_url

SQLITE = pytest.mark.parametrize("target", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("target", ["postgresql"], indirect=True)


def record(telemetry: Any, step: int, size: int = 10) -> None:
    groups = [PromptGroup(0, f"q{step}", [Completion("a" * size, {"r": 1.0}, 1.0)])]
    telemetry.record_rollouts(step, groups)


@pytest.fixture
def poor_url(target: Any) -> Iterator[str]:
    """The same database, as a user who may connect and nothing else."""
    url = parse_url(target.url)
    target.execute("DROP ROLE IF EXISTS poor")
    target.execute("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    target.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield url.set(username="poor", password="poor").render_as_string(hide_password=False)
    target.execute("REASSIGN OWNED BY poor TO tenyson")
    target.execute("DROP OWNED BY poor")
    target.execute("DROP ROLE poor")


@POSTGRESQL
def test_without_the_right_to_make_tables_rows_wait_and_the_remedy_is_said(
    target: Any, open_run: Any, poor_url: str, spool_path: Path
) -> None:
    telemetry = open_run(url=poor_url)
    record(telemetry, 1)
    assert telemetry.close() == {"written": 0, "spooled": 3}
    assert "permission denied for schema public" in telemetry.warning
    assert "tenyson db upgrade" in telemetry.warning
    assert "GRANT" in telemetry.warning

    assert main(["db", "upgrade", "--db-url", target.url]) == ExitCode.DONE
    target.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO poor")
    assert drain_spool(poor_url, spool_path.parent) == 3


@POSTGRESQL
def test_a_reader_without_rights_is_told_what_to_grant(
    target: Any, open_run: Any, poor_url: str
) -> None:
    open_run().close()
    with pytest.raises(CredentialsError, match="does not give this user the right") as caught:
        open_database(poor_url)
    assert "GRANT" in caught.value.hint
    assert caught.value.exit_code is ExitCode.CREDENTIALS


@POSTGRESQL
@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"password": "s3c/ret"}, CredentialsError, "refuses the user or the password"),
        ({"username": "nobody"}, CredentialsError, "refuses the user or the password"),
        ({"database": "nowhere"}, DependencyError, "has no such database"),
        ({"port": 9}, DependencyError, "does not answer"),
    ],
)
def test_a_reader_is_told_why_it_cannot_open(
    target: Any, change: dict[str, Any], error: type[Exception], said: str
) -> None:
    url = parse_url(target.url).set(**change).render_as_string(hide_password=False)
    with pytest.raises(error, match=said) as caught:
        open_database(url)
    assert "s3c" not in str(caught.value)


def test_a_reader_makes_neither_a_file_nor_tables(target: Any, tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="There is no telemetry database"):
        open_database(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(DependencyError, match="holds no telemetry yet"):
        open_database(target.url)
    assert target.rows("runs") == []


@SQLITE
def test_a_file_that_is_no_database_is_said_to_be_none(target: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are my notes, and no database at all" * 100)
    with pytest.raises(DependencyError, match="file is not a database"):
        open_database(f"sqlite:///{tmp_path}/notes.db")


def test_a_value_of_no_columns_type_is_set_aside_and_holds_up_nobody(
    target: Any, open_run: Any
) -> None:
    telemetry = open_run()
    for value in (object(), {"a": 1}, "text"):
        telemetry.record_sft_metrics(1, "train", {"loss": 1.0, "num_tokens": value})
    telemetry.record_eval_samples([EvalSample(7, "p", "c")])  # type: ignore[arg-type]
    telemetry.record_sft_metrics(2, "train", {"loss": 1.0})
    counts = telemetry.close()
    assert counts["spooled"] == 0
    assert counts["written"] + counts["refused"] == 6
    assert 2 in [row["step"] for row in target.rows("sft_metrics")]


@POSTGRESQL
def test_an_id_too_long_for_an_index_is_set_aside_and_holds_up_nobody(
    target: Any, open_run: Any
) -> None:
    noise = "".join(chr(33 + (i * i * 7919) % 20_000) for i in range(20_000))
    telemetry = open_run()
    telemetry.record_eval_samples([EvalSample(noise, "p", "c"), EvalSample("r", "p", "c")])
    record(telemetry, 1)
    assert telemetry.close() == {"written": 6, "spooled": 0, "refused": 1}
    assert [row["row_id"] for row in target.rows("eval_samples")] == ["r"]


@SQLITE
def test_a_full_sqlite_keeps_the_rows_in_the_spool_until_there_is_room(
    target: Any, open_run: Any, spool_path: Path, wait_until: Any
) -> None:
    telemetry = open_run()
    record(telemetry, 0)
    wait_until(lambda: target.rows("generations"))
    engine = telemetry._writer._database._engine
    from sqlalchemy import event

    @event.listens_for(engine, "checkout")
    def _limit(connection: Any, *_: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    record(telemetry, 1, size=200_000)
    wait_until(spool_path.exists)
    record(telemetry, 2)
    counts = telemetry.close()
    assert counts["written"] + counts["spooled"] == 9
    assert counts["spooled"] >= 3
    assert "is full" in telemetry.warning
    drain_spool(target.url, spool_path.parent)
    assert [row["step"] for row in target.rows("generations")] == [0, 1, 2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 100 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_postgresql_keeps_the_rows_in_the_spool_until_there_is_room(
    small_disk: Path, tmp_path: Path, wait_until: Any
) -> None:
    from hack.cluster.postgres import Postgres
    from tenyson.telemetry import WriterSettings, open_telemetry

    server = Postgres(small_disk / "server")
    server.start()
    try:
        url = server.database_url
        quick = WriterSettings(batch_seconds=0.01, retry_seconds=0.05, max_retry_seconds=0.1)
        telemetry = open_telemetry(url, tmp_path / "output", run_id="r", attempt=0, settings=quick)
        record(telemetry, 0)
        wait_until(lambda: telemetry._writer.written == 3)
        free = shutil.disk_usage(small_disk).free
        with open(small_disk / "ballast", "wb") as ballast:
            ballast.write(bytes(max(0, free - 400_000)))
        noise = "".join(chr(33 + (i * i * 7919) % 20_000) for i in range(500_000))
        groups = [PromptGroup(0, "big", [Completion(noise, {"r": 1.0}, 1.0)])]
        telemetry.record_rollouts(1, groups)
        wait_until((tmp_path / "output" / "telemetry_spool.jsonl").exists)
        counts = telemetry.close()
        assert counts == {"written": 3, "spooled": 3}
        assert "is full" in (telemetry.warning or "")
        (small_disk / "ballast").unlink()
        assert drain_spool(url, tmp_path / "output") == 3
        engine = create_engine(parse_url(url))
        with engine.connect() as connection:
            stored = connection.scalar(text("SELECT completion FROM generations WHERE step = 1"))
        engine.dispose()
        assert stored == noise
    finally:
        server.stop()


WRITE = """
import sys, threading
from tenyson.telemetry import Completion, PromptGroup, open_telemetry
url, folder, first, count, steps = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
lost = []
def run(number):
    telemetry = open_telemetry(url, f"{folder}/{number}", run_id=f"run-{number}", attempt=0)
    for step in range(steps):
        said = [Completion(f"{number} {step} {i} " * 50, {"a": 1.0, "b": i}, 1.0 + i)
                for i in range(8)]
        telemetry.record_rollouts(step, [PromptGroup(g, f"{g}?", said) for g in range(2)])
    counts = telemetry.close(120)
    if counts["spooled"] or len(counts) > 2:
        lost.append(counts)
threads = [threading.Thread(target=run, args=(first + i,)) for i in range(count)]
[t.start() for t in threads]
[t.join() for t in threads]
print(lost)
"""


def check_many_runs(target: Any, tmp_path: Path, processes: int, runs: int, steps: int) -> None:
    """Lets runs write at once, and counts what is there."""
    arguments = [[str(first * runs), str(runs), str(steps)] for first in range(processes)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, target.url, str(tmp_path), *rest],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rest in arguments
    ]  # fmt: skip
    said = [process.communicate(timeout=280)[0].strip() for process in started]
    assert said == ["[]"] * processes
    rounds = processes * runs * steps
    for table, rows in {"rollouts": 2, "generations": 16, "reward_components": 32}.items():
        assert target.scalar(f"SELECT count(*) FROM {table}") == rounds * rows


@POSTGRESQL
def test_runs_that_write_at_once_lose_nothing(target: Any, tmp_path: Path) -> None:
    check_many_runs(target, tmp_path, processes=3, runs=4, steps=5)


@pytest.mark.long
@POSTGRESQL
def test_a_hundred_runs_that_write_at_once_lose_nothing(target: Any, tmp_path: Path) -> None:
    check_many_runs(target, tmp_path, processes=4, runs=25, steps=20)


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
