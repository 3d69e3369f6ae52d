"""Databases of older versions: brought up with every row, once, and whole or not at all."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tenyson.telemetry import drain_spool, open_telemetry
from tenyson.telemetry.engines import make_engine
from tenyson.telemetry.schema import SchemaState, Standing, migrate
from tenyson.telemetry.tables import TABLES
from tenyson.telemetry.text import prompt_hash
from tenyson.telemetry.urls import parse_url
from tests.telemetry.old_databases import HEAD, KEY, MOMENT, make_version_1, upgrade, version_1_rows


def test_an_upgrade_keeps_every_row_of_version_1(target: Any) -> None:
    old = make_version_1(target)
    assert upgrade(target) == (
        SchemaState(Standing.OLDER, "0001"), SchemaState(Standing.CURRENT, HEAD)
    )  # fmt: skip

    moved = ("rewards", "row_id", "prompt", "scores")
    for table, rows in old.items():
        stored = {row["id"]: row for row in target.rows(table)}
        assert stored.keys() == {row["id"] for row in rows}
        for row in rows:
            kept = {n: v for n, v in row.items() if table != "generations" or n not in moved}
            assert {name: stored[row["id"]][name] for name in kept} == kept
    components = {
        (row["generation_id"], row["name"]): row["value"]
        for row in target.rows("reward_components")
    }
    assert components == {
        (row["id"], name): value
        for row in old["generations"]
        for name, value in (row["rewards"] or {}).items()
    }
    samples = {row["generation_id"]: row for row in target.rows("eval_samples")}
    assert {key: (s["row_id"], s["prompt"], s["scores"]) for key, s in samples.items()} == {
        row["id"]: (row["row_id"], row["prompt"], row["scores"])
        for row in old["generations"]
        if row["row_id"]
    }
    for row in [*target.rows("rollouts"), *samples.values()]:
        assert row["prompt_hash"] == prompt_hash(row["prompt"])
    rollouts = sorted(target.rows("rollouts"), key=lambda row: row["created_at"])
    assert [r["sampling_round"] for r in rollouts] == [0, 1, 2]
    assert [r["zero_variance"] for r in rollouts] == [False, True, None]


def test_an_upgrade_lists_the_runs_that_left_rows(target: Any) -> None:
    make_version_1(target)
    upgrade(target)
    runs = {row["run_id"]: row["job_type"] for row in target.rows("runs")}
    assert runs == {"old-sft": "sft", "old-rl": "rl", "old-eval": "eval"}
    attempts = {row["run_id"]: row for row in target.rows("attempts")}
    assert attempts["old-rl"]["id"] == KEY.row_id("attempts", 0)
    assert attempts["old-rl"]["started_at"] == MOMENT.replace(second=0)
    assert attempts["old-rl"]["status"] is None
    assert "not known" in attempts["old-rl"]["warnings"][0]


def test_rows_after_an_upgrade_take_the_place_of_those_before(target: Any, tmp_path: Path) -> None:
    """A replay across versions doubles nothing: the ids are the same."""
    from tenyson.telemetry import Completion, EvalSample, PromptGroup

    make_version_1(target)
    upgrade(target)
    before = {name: len(target.rows(name)) for name in TABLES}
    rl = open_telemetry(target.url, tmp_path, run_id="old-rl", attempt=0)
    answers = [Completion(str(i), {"exact": 1.0, "judge": 0.0}, 1.5) for i in range(2)]
    rl.record_rollouts(4, [PromptGroup(0, "2+0=", answers)])
    rl.close()
    ev = open_telemetry(target.url, tmp_path, run_id="old-eval", attempt=0)
    ev.record_eval_samples([EvalSample("r1", "p", "c"), EvalSample("r1", "p", "c", model="base")])
    ev.close()
    assert {name: len(target.rows(name)) for name in TABLES} == before
    assert {row["model"] for row in target.rows("eval_samples")} == {"", "base"}


def test_a_spool_of_version_1_reaches_the_new_tables(target: Any, tmp_path: Path) -> None:
    lines = [
        json.dumps({"table": table, "values": row}, default=datetime.isoformat)
        for table, rows in version_1_rows().items()
        for row in rows
    ]
    (tmp_path / "telemetry_spool.jsonl").write_text("\n".join(lines) + "\n")
    drain_spool(target.url, tmp_path)
    assert list(tmp_path.glob("*spool*")) == []
    drained = {name: target.rows(name) for name in TABLES}

    for table in TABLES:
        target.execute(f"DROP TABLE {table}" + ("" if "sqlite" in target.url else " CASCADE"))
    target.execute("DROP TABLE alembic_version")
    make_version_1(target)
    upgrade(target)
    for table in ("reward_components", "eval_samples", "generations", "sft_metrics"):
        assert drained[table] == target.rows(table)
    for row, drained_row in zip(target.rows("rollouts"), drained["rollouts"], strict=True):
        assert row | {"sampling_round": 0} == drained_row  # a line says no round


def test_five_upgrades_at_once_are_as_good_as_one(target: Any) -> None:
    old = make_version_1(target)
    code = (
        "import sys; from tenyson.cli.main import main; "
        "sys.exit(main(['db', 'upgrade', '--db-url', sys.argv[1]]))"
    )
    url = target.url.replace("timeout=0.05", "timeout=60")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(5)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 5, said
    assert sorted("was 0001" in line for line in said) == [False] * 4 + [True]
    assert len(target.rows("generations")) == len(old["generations"])
    assert len(target.rows("reward_components")) == 4


@pytest.mark.parametrize(
    ("query", "only_if_empty", "seconds"),
    [("", False, 3600), ("", True, 30), ("?timeout=2", False, 2)],
)
def test_an_upgrade_of_a_file_waits_for_others_that_write(
    query: str, only_if_empty: bool, seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def note(connection: Any) -> None:
        waits.append(connection.exec_driver_sql("PRAGMA busy_timeout").scalar())

    monkeypatch.setattr("tenyson.telemetry.schema._run_migrations", note)
    engine = make_engine(parse_url(f"sqlite:///{tmp_path / 'new.db'}{query}"))
    migrate(engine, only_if_empty=only_if_empty)
    engine.dispose()
    assert waits == [seconds * 1000]


def test_an_upgrade_that_fails_says_why_and_changes_nothing(
    target: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    make_version_1(target)

    def fail(connection: Any) -> None:
        connection.execute(text("CREATE TABLE half_done (number INTEGER)"))
        connection.execute(text("SELECT no_such_column FROM rollouts"))

    monkeypatch.setattr("tenyson.telemetry.schema._run_migrations", fail)
    assert main(["db", "upgrade", "--db-url", target.url]) == ExitCode.DEPENDENCY
    said = capsys.readouterr().err
    assert "failed and nothing was changed" in said
    assert "no_such_column" in said
    assert "host and port" not in said
    assert "half_done" not in inspect(create_engine(parse_url(target.url))).get_table_names()
