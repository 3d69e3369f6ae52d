"""Database URLs that cannot be used, and passwords that nobody may see."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode
from tenyson.errors import ConfigError
from tenyson.telemetry import open_telemetry
from tenyson.telemetry.database import Database
from tenyson.telemetry.urls import parse_url

BAD = {
    "mysql://someone:s3cret@host/db": "'mysql'",
    "s3cret": "no database URL",
    "": "no database URL",
    "postgresql+nodriver://someone:s3cret@host/db": "nodriver",
    "postgresql+asyncpg://someone:s3cret@host/db": "asyncpg",
    "postgresql+pg8000://someone:s3cret@host/db": "pg8000",
    "postgresql://someone:s3cret@host:port/db": "no database URL",
}


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_cannot_be_used_is_a_configuration_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        open_telemetry(url, tmp_path, run_id="run", attempt=0)
    error = caught.value
    assert error.exit_code is ExitCode.CONFIG
    assert error.problems[0].path == "telemetry.db_url"
    assert BAD[url] in str(error)
    assert "s3cret" not in f"{error}{error.__cause__}"
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_name_of_postgresql_means_psycopg_3(scheme: str) -> None:
    assert parse_url(f"{scheme}://host/db").drivername == "postgresql+psycopg"


def test_a_wrong_password_is_told_without_the_password(
    postgres: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = parse_url(postgres.database_url).set(password="s3c/ret")
    url = wrong.render_as_string(hide_password=False)
    with caplog.at_level(logging.DEBUG):
        telemetry = open_telemetry(url, tmp_path, run_id="run", attempt=0)
        telemetry.record_sft_metrics(1, "train", {})
        assert telemetry.close() == {"written": 0, "spooled": 1}
    assert "password authentication failed" in (telemetry.warning or "")
    said = f"{telemetry.warning}{caplog.text}"
    assert "s3c/ret" not in said
    assert "s3c%2Fret" not in said


def test_the_url_is_shown_without_its_password() -> None:
    database = Database("postgresql://someone:s3cret@host/db?passfile=/s3cret")
    assert database.shown_url == "postgresql+psycopg://someone:***@host/db"
