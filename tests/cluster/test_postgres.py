"""A PostgreSQL server of one's own, whoever runs the tests."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.postgres import Postgres

pytestmark = pytest.mark.cluster


def _connect(server: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.database_url, autocommit=True)


def test_data_outlives_a_stop_in_a_folder_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "state")
    server.start()
    try:
        with _connect(server) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        server.process.kill()  # as a crash would
        server.start()
        with _connect(server) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        server.stop()
    assert not server.process.is_running()


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "state")
    server.start()
    try:
        user, rest = server.database_url.rsplit("@", 1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{user}x@{rest}")
    finally:
        server.stop()


def test_a_server_that_was_never_started_has_no_url(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="never started"):
        _ = Postgres(tmp_path).database_url
