"""Databases that refuse, are full, or are not what the URL says: sentences, and no row lost."""

import shutil
import subprocess
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
from tests.telemetry.recorded import POSTGRESQL, SQLITE, record


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
