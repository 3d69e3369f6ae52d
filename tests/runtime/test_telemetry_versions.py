"""A telemetry database of another version ends a run at its start, before anything is trained."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode
from tenyson.errors import DependencyError
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train


def test_an_older_database_ends_the_run_with_69_and_is_left_as_it_was(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    script = Path(__file__).parents[1] / "telemetry" / "version_1" / "sqlite.sql"
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.executescript(script.read_text())
    config = make_config(telemetry={"db_url": f"sqlite:///{tmp_path}/old.db"})

    job = SFTJob(config, sum_task, output_dir=tmp_path / "out")
    with pytest.raises(DependencyError, match="has tables of version 0001"):
        job.run()

    assert job.result.exit_code == ExitCode.DEPENDENCY
    assert job.result.global_step is None
    assert job.result.failure is not None
    assert "tenyson db upgrade" in str(job.result.failure)
    with sqlite3.connect(tmp_path / "old.db") as database:
        tables = database.execute("select count(*) from sqlite_master where type='table'")
        assert tables.fetchone() == (4,)
