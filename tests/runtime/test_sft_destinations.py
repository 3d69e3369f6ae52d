"""Where a training's numbers, results and checkpoints go: the database, a spool, a URI."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.jobs.options import RunOptions
from tenyson.jobs.sft import SFTJob
from tenyson.telemetry.tables import TABLES
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train


def test_telemetry_is_written_under_the_run(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/telemetry.db"
    config = make_config(telemetry={"db_url": url}, training={"max_steps": 2})

    result = SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "out").run()

    with sqlite3.connect(tmp_path / "telemetry.db") as database:
        steps = database.execute("select run_id, step from sft_metrics order by step").fetchall()
        counts = [database.execute(f"select count(*) from {t}").fetchone()[0] for t in TABLES]
    assert steps == [("r", 1), ("r", 2)]
    again = 3  # the run's row once more when its manifest is there, the attempt's then and at last
    assert result.telemetry == {"written": sum(counts) + again, "spooled": 0}


def test_an_unreachable_database_does_not_stop_training(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    url = "postgresql+psycopg://user:secret-word@127.0.0.1:9/none"
    config = make_config(telemetry={"db_url": url}, training={"max_steps": 2})

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.status == "success"
    lines = (tmp_path / File.TELEMETRY_SPOOL).read_text(encoding="utf-8").splitlines()
    assert result.telemetry["spooled"] == len(lines)
    assert [json.loads(line)["table"] for line in lines].count("sft_metrics") == 2
    assert result.warnings
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"secret-word" not in written


def test_telemetry_that_waits_reaches_the_database_from_another_folder(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    options = RunOptions(output_uri=f"file://{tmp_path}/bucket")
    url = f"sqlite:///{tmp_path}/later/telemetry.db"
    (tmp_path / "later").touch()  # no folder: the database cannot be opened
    sections = {"telemetry": {"db_url": url}, "checkpoint": {"every_steps": 1}}
    first = make_config(**sections, training={"max_steps": 2})
    SFTJob(first, sum_task, run_id="r", output_dir=tmp_path / "one", options=options).run()
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()

    longer = make_config(**sections, training={"max_steps": 3})
    again = SFTJob(
        longer, sum_task, run_id="r", attempt=1, output_dir=tmp_path / "two", options=options
    ).run()

    with sqlite3.connect(tmp_path / "later/telemetry.db") as database:
        steps = database.execute("select step from sft_metrics order by step").fetchall()
    assert steps == [(1,), (2,), (3,)]
    assert again.telemetry["spooled"] == 0


def test_results_and_checkpoints_are_copied_to_the_uri(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    options = RunOptions(output_uri=f"file://{tmp_path}/bucket")
    config = make_config(checkpoint={"every_steps": 1, "keep": 1}, training={"max_steps": 2})
    SFTJob(config, sum_task, output_dir=tmp_path / "one", options=options).run()

    longer = make_config(checkpoint={"every_steps": 1, "keep": 1}, training={"max_steps": 3})
    again = SFTJob(longer, sum_task, output_dir=tmp_path / "two", options=options).run()

    names = {path.name for path in (tmp_path / "bucket").iterdir()}
    assert names == {
        File.JOB_RESULT, File.MANIFEST, File.METRICS, File.FINAL_CHECKPOINT, File.NEWEST_ATTEMPT,
        File.USAGE, "attempt-0", "attempt-1",
    }  # fmt: skip
    own = {path.name for path in (tmp_path / "bucket/attempt-1").iterdir()}
    assert own == {"checkpoint-3", File.FINAL_CHECKPOINT, File.JOB_RESULT, File.MANIFEST}
    first = {path.name for path in (tmp_path / "bucket/attempt-0").iterdir()}
    assert first == {File.JOB_RESULT, File.MANIFEST}
    assert again.resumed_from_step == 2
    assert [row["step"] for row in metric_rows(tmp_path / "two")] == [1, 2, 3]
