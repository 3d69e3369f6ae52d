"""What happens on the way of a run, as events tell of it weeks later."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode

pytestmark = pytest.mark.train


def named(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def test_a_guards_verdict_holds_the_numbers_that_it_saw(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(
        telemetry={"db_url": db_url},
        training={"max_steps": 4},
        guards={"patience": 2, "clipped": "warn", "max_clipped_share": 0.0, "distinct": "stop",
                "min_distinct_share": 1.0},
    )  # fmt: skip
    config["guards"] |= {"distinct": "off", "zero_variance": "stop", "max_zero_variance_share": 0.5}
    config["task"] = {"rewards": ["same_reward"]}
    run = run_runner(config, job_type="rl")
    assert run.code == ExitCode.DIVERGED, run.said
    stopped = next(e for e in named(rows_of("events"), "guard") if e["name"] == "zero_variance")
    assert (stopped["level"], stopped["step"]) == ("error", 2)
    details = stopped["details"]
    assert (details["action"], details["since_step"], details["before_step"]) == ("stop", 1, 1)
    assert details["row"]["frac_reward_zero_std"] == 1.0
    assert "rl.filter_zero_variance" in details["remedy"]
    (attempt,) = rows_of("attempts")
    assert attempt["status"] == "diverged"


def test_a_lack_of_memory_and_what_was_halved_are_told(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.training._trainers import TenysonSFTTrainer

    train, tries = TenysonSFTTrainer.training_step, []

    def short(self: Any, *args: Any, **kwargs: Any) -> Any:
        tries.append(1)
        if len(tries) == 2:
            raise MemoryError("no room")
        return train(self, *args, **kwargs)

    monkeypatch.setattr(TenysonSFTTrainer, "training_step", short)
    run = run_runner(make_config(telemetry={"db_url": db_url}, training={"max_steps": 2}))
    assert run.code == 0, run.said
    told = named(rows_of("events"), "oom")
    assert [(e["name"], e["level"]) for e in told] == [
        ("out_of_memory", "error"),
        ("halved", "warning"),
    ]
    assert told[0]["details"]["during"] == "training"
    assert told[1]["message"] in run.result.warnings


def test_a_stop_says_who_asked_and_the_attempt_is_stopped(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUM_TASK_SIGNALS", "0:1:SIGTERM")
    config = make_config(telemetry={"db_url": db_url}, training={"max_steps": 4})
    config["task"] = {"rewards": ["signalling_reward"]}
    run = run_runner(config, job_type="rl", **{Env.ATTEMPT: "0"})
    assert run.code == ExitCode.STOPPED, run.said
    (asked,) = [e for e in rows_of("events") if e["name"] == "stop_asked"]
    assert asked["details"]["reason"] == "SIGTERM"
    assert asked["details"]["seconds_given"] > 0
    (attempt,) = rows_of("attempts")
    assert attempt["status"] == "stopped"
    assert attempt["started_at"] < asked["created_at"] < attempt["ended_at"]


def test_a_budget_that_ends_a_run_is_an_event(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(telemetry={"db_url": db_url}, budget={"max_tokens": 200})
    run = run_runner(config)
    assert run.code == ExitCode.BUDGET, run.said
    (reached,) = [e for e in rows_of("events") if e["name"] == "reached"]
    assert "budget.max_tokens 200" in reached["message"]
    assert [e["name"] for e in rows_of("events")][-1] == "run_ended"


def test_a_damaged_checkpoint_that_is_passed_over_is_told_with_the_start(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(
        telemetry={"db_url": db_url}, training={"max_steps": 3}, checkpoint={"every_steps": 1}
    )
    first = run_runner({**config, "budget": {"max_tokens": 200}}, **{Env.RUN_ID: "r"})
    places = sorted((first.folder / "attempt-0").glob("checkpoint-*"))
    assert len(places) >= 2, first.said
    (places[-1] / "optimizer.pt").write_bytes(b"damaged")
    again = run_runner(config, **{Env.RUN_ID: "r"})
    assert again.code == 0, again.said
    events = rows_of("events")
    (resumed,) = [e for e in events if e["name"] == "resumed"]
    assert places[-1].name in json.dumps(resumed["details"]["passed_over"])
    trouble = [e for e in events if (e["kind"], e["name"]) == ("checkpoint", "trouble")]
    assert [e["message"] for e in trouble] == resumed["details"]["passed_over"]
    assert set(resumed["details"]["passed_over"]) <= set(again.result.warnings)


def test_no_database_and_no_tracker_record_nothing(
    tmp_path: Path, run_runner: Any, make_config: Any
) -> None:
    run = run_runner(make_config(training={"max_steps": 1}))
    assert run.code == 0, run.said
    assert run.result.telemetry == {"written": 0, "spooled": 0}


def test_a_database_that_goes_away_and_comes_back_is_told_in_itself(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    from tenyson.jobs.recording.events import Events
    from tenyson.jobs.recording.making import tell_of_database
    from tenyson.telemetry import WriterSettings, open_telemetry

    url = f"sqlite:///{tmp_path}/telemetry.db?timeout=0.05"
    quick = WriterSettings(batch_seconds=0.01, retry_seconds=0.01, max_retry_seconds=0.02)
    telemetry = open_telemetry(url, tmp_path / "out", run_id="r", attempt=0, settings=quick)
    events = Events(telemetry, lambda: 7)
    changes: list[str | None] = []

    def listen(reason: str | None) -> None:
        tell_of_database(events, reason)
        changes.append(reason)

    telemetry.listen(listen)
    holder = sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    events.tell("state", "first", "It begins.")
    end = time.monotonic() + 20
    while not changes and time.monotonic() < end:
        time.sleep(0.01)
    holder.rollback()
    while len(changes) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert telemetry.close()["spooled"] == 0
    holder.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        told = connection.execute(text("select kind, name, level, step from events")).all()
    engine.dispose()
    assert set(told) == {
        ("state", "first", "info", 7),
        ("telemetry", "away", "warning", 7),
        ("telemetry", "back", "info", 7),
    }
    assert changes[1] is None
