"""W&B and trackio: told of a run, and never able to end it."""

import json
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode
from tenyson.errors import ConfigError
from tenyson.jobs.stop import StopRequest
from tenyson.jobs.tracking.opening import open_trackers, require_libraries
from tenyson.jobs.tracking.tracker import TrackedRun, Trackers, names_of
from tenyson.jobs.tracking.trackio_tracker import trackio_name
from tenyson.jobs.tracking.wandb_tracker import wandb_id


def offline_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of history that W&B's own file of an offline run holds."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("run-*.wandb")
    rows = []
    for data in records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
    return rows


def records(content: bytes) -> Iterator[bytes]:
    """Yields the records of W&B's file, which is a log as LevelDB writes them.

    Source: github.com/google/leveldb/blob/1.23/doc/log_format.md; a header of 7 bytes comes first.
    """
    place, whole = 7, b""
    while place + 7 <= len(content):
        if (left := 32_768 - place % 32_768) < 7:  # the rest of a block
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + 7])
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


@pytest.mark.train
def test_an_offline_run_of_wandb_has_every_row_and_goes_on_under_its_id(
    tmp_path: Path, run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = make_config(
        telemetry={"report_to": ["wandb"], "project": "sums", "tags": ["tiny"], "group": "g"},
        training={"max_steps": 3},
        budget={"max_tokens": 90},
    )
    run = run_runner(config, **{Env.RUN_ID: "run-7"})
    assert run.code == ExitCode.BUDGET, run.said
    assert run.result.wandb_url is None
    (first,) = (run.folder / "wandb").glob("offline-run-*-run-7")
    assert any(f"wandb sync {first}" in warning for warning in run.result.warnings)
    (artifact,) = [a for a in run.result.artifacts if a["kind"] == "wandb"]
    assert (run.folder / artifact["path"]).is_file()

    config["budget"] = {}
    again = run_runner(config, **{Env.RUN_ID: "run-7"})
    assert again.code == 0, again.said
    (second,) = set((run.folder / "wandb").glob("offline-run-*-run-7")) - {first}
    logged = [json.loads(line) for line in (run.folder / "metrics.jsonl").open(encoding="utf-8")]
    told = offline_rows(first) + offline_rows(second)
    assert [(r["train/global_step"], r["train/loss"]) for r in told] == [
        (r["step"], r["loss"]) for r in logged
    ]


@pytest.mark.train
def test_trackio_gets_the_rows_and_says_nothing_on_standard_output(
    tmp_path: Path, run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trackio")
    project = f"sums-{uuid.uuid4()}"  # trackio keeps all projects of a user in one place
    config = make_config(
        telemetry={"report_to": ["trackio"], "project": project}, training={"max_steps": 2}
    )
    run = run_runner(config, extra=("--json",), **{Env.RUN_ID: "run-8"})
    assert run.code == 0, run.said
    assert json.loads(run.printed)["run_id"] == "run-8"
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs(project, "run-8")
    logged = [json.loads(line) for line in (run.folder / "metrics.jsonl").open(encoding="utf-8")]
    assert [(r["step"], r["train/loss"]) for r in rows] == [(r["step"], r["loss"]) for r in logged]


@pytest.mark.train
def test_a_tracker_that_fails_on_the_way_ends_no_training(
    run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.tracking.wandb_tracker import WandbTracker

    def broken(self: Any, step: int, numbers: Any) -> None:
        raise BrokenPipeError("the service is gone")

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(WandbTracker, "log", broken)
    config = make_config(telemetry={"report_to": ["wandb"]}, training={"max_steps": 2})
    run = run_runner(config)
    assert run.code == 0, run.said
    (said,) = [w for w in run.result.warnings if "BrokenPipeError" in w]
    assert said.startswith("wandb failed and is told nothing more")


def test_a_library_that_is_not_installed_is_named_with_the_extra(
    run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None)
    with pytest.raises(ConfigError, match=r"wandb is not installed") as refused:
        require_libraries(["wandb", "trackio"])
    assert "tenyson[wandb,trackio]" in refused.value.hint
    monkeypatch.undo()
    run = run_runner(make_config(telemetry={"report_to": ["comet"]}))
    assert run.code == ExitCode.CONFIG
    assert "telemetry.report_to" in run.result.failure.message


def test_a_tracker_that_does_not_start_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**settings: Any) -> None:
        raise RuntimeError("api_key not configured\nsecond line")

    monkeypatch.setattr("wandb.init", refuse)
    run = TrackedRun("r", "sft", "p", "r", tmp_path)
    warnings: list[str] = []
    assert open_trackers(["wandb"], run, warnings.append) == []
    assert "RuntimeError: api_key not configured. See to its key" in warnings[0]


class Slow:
    """Stands for a tracker whose server takes what it is sent, at some time."""

    name, url, folder, how_to_send = "slow", "https://tracker/run", None, ""

    def log(self, step: int, numbers: Any) -> None: ...

    def finish(self, summary: Any, exit_code: int) -> None:
        threading.Event().wait(5)


def test_a_tracker_that_takes_too_long_is_left_to_itself() -> None:
    warnings: list[str] = []
    trackers = Trackers([Slow()], warnings.append)  # type: ignore[list-item]
    trackers.finish({}, 0, seconds=0.01)
    assert warnings == ["There was no time to send all of it to slow."]
    assert trackers.url == "https://tracker/run"


def test_a_stop_that_comes_while_a_tracker_ends_shortens_the_wait() -> None:
    stop = StopRequest(clock=time.monotonic)
    warnings: list[str] = []
    trackers = Trackers([Slow()], warnings.append)  # type: ignore[list-item]
    timer = threading.Timer(0.3, lambda: stop.make("SIGTERM", seconds=2.0))
    begun = time.monotonic()
    timer.start()
    trackers.finish({}, 0, 60.0, lambda: stop.remaining_seconds)
    assert time.monotonic() - begun < 3
    assert stop.remaining_seconds > 0.3  # for the result
    assert warnings == ["There was no time to send all of it to slow."]


def test_names_are_those_that_transformers_gives_trackers() -> None:
    assert names_of({"loss": 1.0, "eval_loss": 2.0, "rewards/a/mean": 3.0}) == {
        "train/loss": 1.0,
        "eval/loss": 2.0,
        "train/rewards/a/mean": 3.0,
    }


@pytest.mark.parametrize("run_id", ["run-7", "a" * 64, "550e8400-e29b-41d4-a716-446655440000"])
def test_a_plain_run_id_is_wandbs_id(run_id: str) -> None:
    assert wandb_id(run_id) == run_id


@pytest.mark.parametrize("run_id", ["a/b", "a" * 65, "", "ä", "a b"])
def test_another_run_id_gives_one_that_wandb_takes(run_id: str) -> None:
    assert wandb_id(run_id) == wandb_id(run_id)
    assert len(wandb_id(run_id)) == 32


def test_runs_of_one_name_are_two_in_trackio(tmp_path: Path) -> None:
    one = TrackedRun("r1", "sft", "p", "nightly", tmp_path)
    assert trackio_name(one) == "nightly-r1"
    assert trackio_name(TrackedRun("r1", "sft", "p", "r1", tmp_path)) == "r1"
