"""A database that is away, at the start or midway: training goes on and no row is lost."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from tenyson.checkpoints.fence import Fence
from tenyson.errors import DependencyError
from tenyson.jobs.outcome.records import leave_result
from tenyson.jobs.result import JobResult
from tenyson.telemetry import (
    Completion,
    EvalSample,
    PromptGroup,
    drain_spool,
    open_telemetry,
)
from tenyson.telemetry.rows import RunKey
from tenyson.telemetry.spool import Spool

NOWHERE = "postgresql://someone:s3cret@127.0.0.1:9/nothing"


def record(telemetry: Any, steps: range) -> None:
    for step in steps:
        telemetry.record_rollouts(
            step, [PromptGroup(0, f"q{step}", [Completion("a", {"r": 1.0}, 1.0)])]
        )


def steps(target: Any, table: str = "generations") -> list[int]:
    return [row["step"] for row in target.rows(table)]


def test_a_database_that_never_answers_leaves_the_rows_in_the_spool(
    target: Any, open_run: Any, spool_path: Path
) -> None:
    telemetry = open_run(url=NOWHERE)
    record(telemetry, range(5))
    assert telemetry.close() == {"written": 0, "spooled": 15}
    assert str(spool_path) in telemetry.warning
    entries = [json.loads(line) for line in spool_path.read_text().splitlines()]
    assert [entry["values"]["step"] for entry in entries] == [n for n in range(5) for _ in range(3)]
    assert entries[0]["table"] == "rollouts"

    assert drain_spool(target.url, spool_path.parent) == 15
    assert steps(target) == [0, 1, 2, 3, 4]
    assert list(spool_path.parent.iterdir()) == []
    assert drain_spool(target.url, spool_path.parent) == 0


def test_the_next_attempt_brings_the_spool_first(
    target: Any, open_run: Any, spool_path: Path
) -> None:
    first = open_run(url=NOWHERE)
    record(first, range(3))
    first.close()
    second = open_run(attempt=1)
    record(second, range(2, 4))
    assert second.close() == {"written": 15, "spooled": 0}
    assert second.warning is None
    stored = {(row["attempt"], row["step"]) for row in target.rows("generations")}
    assert stored == {(0, 0), (0, 1), (0, 2), (1, 2), (1, 3)}
    assert not spool_path.exists()


def test_a_database_that_stops_and_comes_back_has_every_row_once(
    target: Any, open_run: Any, spool_path: Path, wait_until: Any
) -> None:
    telemetry = open_run()
    record(telemetry, range(5))
    wait_until(lambda: len(steps(target)) == 5)
    target.stop()
    record(telemetry, range(5, 10))
    wait_until(spool_path.exists)
    record(telemetry, range(10, 12))
    target.start()
    wait_until(lambda: steps(target) == list(range(12)))
    assert steps(target, "rollouts") == list(range(12))
    assert telemetry.close() == {"written": 36, "spooled": 0}
    assert telemetry.warning is None
    assert not spool_path.exists()


def test_a_database_that_stays_away_midway_loses_nothing(
    target: Any, open_run: Any, spool_path: Path, wait_until: Any
) -> None:
    telemetry = open_run()
    record(telemetry, range(3))
    wait_until(lambda: len(steps(target)) == 3)
    target.stop()
    record(telemetry, range(3, 6))
    assert telemetry.close() == {"written": 9, "spooled": 9}
    target.start()
    drain_spool(target.url, spool_path.parent)
    assert steps(target) == list(range(6))


def test_draining_into_a_database_that_is_away_keeps_the_rows(
    target: Any, open_run: Any, spool_path: Path
) -> None:
    telemetry = open_run(url=NOWHERE)
    record(telemetry, range(2))
    telemetry.close()
    with pytest.raises(DependencyError, match="away") as caught:
        drain_spool(NOWHERE, spool_path.parent)
    assert "s3cret" not in str(caught.value)
    assert drain_spool(target.url, spool_path.parent) == 6
    assert steps(target) == [0, 1]


def test_a_line_that_a_crash_cut_does_not_stop_the_rest(
    target: Any, open_run: Any, spool_path: Path
) -> None:
    telemetry = open_run(url=NOWHERE)
    record(telemetry, range(2))
    telemetry.close()
    with open(spool_path, "a") as file:
        file.write('{"table": "generations", "values": {"id')
    again = open_run(url=NOWHERE, run_id="other")
    record(again, range(2, 3))
    again.close()
    assert drain_spool(target.url, spool_path.parent) == 9
    assert steps(target) == [0, 1, 2]


def test_a_row_that_is_refused_is_set_aside_and_the_others_stored(
    target: Any, spool_path: Path
) -> None:
    from tenyson.telemetry.database import Database
    from tenyson.telemetry.sample_rows import eval_rows
    from tenyson.telemetry.spool import insert_or_refuse

    samples = [EvalSample(str(i), "p", "c") for i in range(20)]
    rows = [r for r in eval_rows(RunKey("run", 0), 0, samples) if r.table == "generations"]
    rows[13].values["rollout_id"] = rows[0].values["id"]  # no such rollout
    spool = Spool(spool_path.parent)
    database = Database(target.url)
    assert insert_or_refuse(database, rows, spool) == 19
    database.close()
    assert len(target.rows("generations")) == 19
    assert spool.count_refused() == 1
    assert spool.is_empty()


@pytest.mark.parametrize(
    "line",
    [
        {"version": 99, "table": "generations", "values": {"id": "x"}},
        {"version": 2, "table": "later", "values": {"id": "x"}},
        {"version": 2, "table": "generations", "values": {"id": "x", "later": 1}},
    ],
)
def test_a_line_of_a_newer_tenyson_is_set_aside_and_not_dropped(
    open_run: Any, target: Any, spool_path: Path, line: dict[str, Any]
) -> None:
    telemetry = open_run(url=NOWHERE)
    record(telemetry, range(1))
    telemetry.close()
    with open(spool_path, "a") as file:
        file.write(json.dumps(line) + "\n")
    assert drain_spool(target.url, spool_path.parent) == 3
    refused = spool_path.with_suffix(".refused.jsonl")
    assert json.loads(refused.read_text()) == line


def test_rows_that_cannot_be_made_are_counted_and_the_rest_is_written(
    open_run: Any, target: Any
) -> None:
    telemetry = open_run()
    telemetry.record_rollouts(0, [PromptGroup(0, "q", [Completion("a", {}, "no number")])])  # type: ignore[arg-type]
    record(telemetry, range(1, 3))
    assert telemetry.close() == {"written": 6, "spooled": 0, "lost": 2}
    assert steps(target) == [1, 2]


def test_without_a_url_nothing_is_written(tmp_path: Path) -> None:
    telemetry = open_telemetry(None, tmp_path, run_id="run", attempt=0)
    record(telemetry, range(3))
    assert not telemetry.enabled
    assert telemetry.close() == {"written": 0, "spooled": 0}
    assert list(tmp_path.iterdir()) == []


def test_both_files_of_rows_that_wait_come_back_to_a_new_folder(tmp_path: Path) -> None:
    from tenyson.checkpoints.mirror import Mirror
    from tenyson.jobs.recording.opening import _fetch_spool

    left, new = Spool(tmp_path / "left"), Spool(tmp_path / "new")
    mirror = Mirror(f"file://{tmp_path}/bucket")
    left.path.parent.mkdir()
    new.path.parent.mkdir()
    for path in (left.path, left.draining):
        path.write_text(f"{path.name}\n")
        mirror.upload_file(path)
    _fetch_spool(SimpleNamespace(output_dir=new.path.parent, mirror=mirror))  # type: ignore[arg-type]
    assert [path.read_text() for path in (new.path, new.draining)] == [
        f"{left.path.name}\n",
        f"{left.draining.name}\n",
    ]


def test_all_files_of_the_spool_are_copied_up(tmp_path: Path) -> None:
    fence = Fence(tmp_path / "run", 0)
    spool = Spool(fence.folder)
    for path in (spool.path, spool.draining, spool.refused):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    mirror = Mock()

    leave_result(JobResult("run", "failed", 0.0, str(fence.folder)), None, fence, mirror)

    copied = {Path(call.args[0]).name for call in mirror.upload_file.call_args_list}
    assert {spool.path.name, spool.draining.name, spool.refused.name} <= copied


def test_a_disk_that_takes_nothing_ends_no_run(tmp_path: Path, caplog: Any) -> None:
    folder = tmp_path / "output"
    folder.write_text("no folder")
    telemetry = open_telemetry(NOWHERE, folder, run_id="run", attempt=0)
    record(telemetry, range(2))
    with caplog.at_level(logging.WARNING):
        counts = telemetry.close()
    assert counts["lost"] == 6
    assert "6 telemetry rows are lost" in (telemetry.warning or "")
