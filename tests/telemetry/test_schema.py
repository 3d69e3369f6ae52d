"""Versions of the tables: how they are made, brought up, and refused."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tenyson.errors import DependencyError
from tenyson.telemetry import drain_spool, open_telemetry
from tenyson.telemetry.engines import make_engine
from tenyson.telemetry.reading import open_any_version, open_database
from tenyson.telemetry.rows import RunKey
from tenyson.telemetry.schema import SchemaState, Standing, judge, known_versions, migrate
from tenyson.telemetry.tables import TABLES, Base
from tenyson.telemetry.text import prompt_hash
from tenyson.telemetry.urls import parse_url

HEAD = known_versions()[-1]
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
KEY = RunKey("old-rl", 0)


def upgrade(target: Any) -> tuple[SchemaState, SchemaState]:
    engine = make_engine(parse_url(target.url))
    try:
        return migrate(engine)
    finally:
        engine.dispose()


def make_version_1(target: Any) -> dict[str, list[dict[str, Any]]]:
    """Makes the tables as the first version did, and returns the rows that it left in them."""
    dialect = "sqlite" if target.url.startswith("sqlite") else "postgresql"
    script = Path(__file__).parent / "version_1" / f"{dialect}.sql"
    for statement in script.read_text().split(";\n"):
        if statement.strip():
            target.execute(statement)
    rows = version_1_rows()
    engine = create_engine(parse_url(target.url))
    with engine.begin() as connection:
        for table, values in rows.items():
            for row in values:
                columns = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join(f":{name}" for name in row)
                stored = {
                    name: json.dumps(value) if isinstance(value, dict) else value
                    for name, value in row.items()
                } | {"created_at": f"{row['created_at']:%Y-%m-%d %H:%M:%S.%f}+00:00"}
                if dialect == "sqlite":  # as its driver had them
                    stored["created_at"] = stored["created_at"].removesuffix("+00:00")
                    stored["id"] = row["id"].replace("-", "")
                    if row.get("rollout_id"):
                        stored["rollout_id"] = row["rollout_id"].replace("-", "")
                connection.execute(
                    text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), stored
                )
    engine.dispose()
    return rows


def version_1_rows() -> dict[str, list[dict[str, Any]]]:
    def head(run: str, table: str, step: int, *key: object, second: int = 0) -> dict[str, Any]:
        run_key = RunKey(run, 0)
        return {
            "id": run_key.row_id(table, step, *key), "run_id": run, "attempt": 0, "step": step,
            "created_at": MOMENT.replace(second=second),
        }  # fmt: skip

    rollouts = [
        head("old-rl", "rollouts", 4, "rl", round_, 0, second=round_)
        | {"phase": "rl", "group_index": 0, "prompt": f"2+{round_}= \u241b",
           "reward_mean": 1.5, "reward_std": deviation}
        for round_, deviation in ((0, 0.5), (1, 0.0), (2, None))
    ]  # fmt: skip
    sampled = [
        head("old-rl", "generations", 4, "rl", 0, 0, index)
        | {"phase": "rl", "rollout_id": rollouts[0]["id"], "index": index,
           "completion": f"{index} \u241bd800 \ufffd", "tokens": 2, "reward": 1.5,
           "rewards": {"exact": 1.0 + index, "judge": None}, "row_id": None, "prompt": None,
           "scores": None}
        for index in range(2)
    ]  # fmt: skip
    answers = [
        head("old-eval", "generations", 0, "eval", row, 0)
        | {"phase": "eval", "rollout_id": None, "index": 0, "completion": "4", "tokens": None,
           "reward": None, "rewards": None, "row_id": row, "prompt": f"what is {row}?",
           "scores": {"correct": True, "note": "a:b %s"}}
        for row in ("r1", "base/r1")
    ]  # fmt: skip
    return {
        "sft_metrics": [head("old-sft", "sft_metrics", 1, "train") | {"loss": 1.25, "epoch": 0.5}],
        "epoch_metrics": [head("old-rl", "epoch_metrics", 5, "train") | {"kl": 0.01}],
        "rollouts": rollouts,
        "generations": sampled + answers,
    }


def test_migrations_make_the_tables_of_the_models(target: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    assert upgrade(target)[1] == SchemaState(Standing.CURRENT, HEAD)
    engine = create_engine(parse_url(target.url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_an_older_database_has_the_tables_of_the_models_after_its_upgrade(target: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    make_version_1(target)
    upgrade(target)
    engine = create_engine(parse_url(target.url))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


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


def test_a_run_is_refused_by_an_older_database_with_the_command(
    target: Any, tmp_path: Path
) -> None:
    make_version_1(target)
    with pytest.raises(DependencyError, match=f"version 0001; this tenyson needs {HEAD}") as caught:
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)
    assert caught.value.exit_code is ExitCode.DEPENDENCY
    assert "tenyson db upgrade" in caught.value.hint
    assert "runs" not in inspect(create_engine(parse_url(target.url))).get_table_names()


def test_a_newer_database_asks_for_a_newer_tenyson(target: Any, tmp_path: Path) -> None:
    upgrade(target)
    target.execute("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(DependencyError, match="version 0099") as caught:
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)
    assert "Update tenyson" in caught.value.hint
    with pytest.raises(DependencyError, match="version 0099"):
        open_database(target.url)


def test_another_programs_tables_are_left_alone(target: Any, tmp_path: Path) -> None:
    target.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")
    with pytest.raises(DependencyError, match="another program's"):
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)
    assert upgrade(target)[1].standing is Standing.FOREIGN


def test_another_program_that_numbers_its_revisions_alike_is_left_alone(
    target: Any, tmp_path: Path
) -> None:
    target.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    target.execute(f"INSERT INTO alembic_version VALUES ('{HEAD}')")
    with pytest.raises(DependencyError, match=f"'{HEAD} .not ours.', which are another program's"):
        open_database(target.url)
    with pytest.raises(DependencyError, match="another program's"):
        open_telemetry(target.url, tmp_path, run_id="r", attempt=0)


def test_looking_at_another_programs_file_does_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "another.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (number INTEGER)")
    before = path.read_bytes()
    url = f"sqlite:///{path}"
    open_any_version(url)[0].dispose()
    assert main(["db", "upgrade", "--db-url", url]) == ExitCode.DEPENDENCY
    assert path.read_bytes() == before


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


def test_a_database_that_changes_its_version_midway_leaves_the_rows_in_the_spool(
    target: Any, open_run: Any, wait_until: Any, spool_path: Path
) -> None:
    telemetry = open_run()
    telemetry.record_sft_metrics(1, "train", {"loss": 1.0})
    wait_until(lambda: target.rows("sft_metrics"))
    target.execute("UPDATE alembic_version SET version_num = '0099'")
    target.execute("ALTER TABLE sft_metrics RENAME TO later_metrics")
    telemetry.record_sft_metrics(2, "train", {"loss": 1.0})
    assert telemetry.close() == {"written": 1, "spooled": 1}
    assert "0099" in telemetry.warning
    target.execute("ALTER TABLE later_metrics RENAME TO sft_metrics")
    target.execute(f"UPDATE alembic_version SET version_num = '{HEAD}'")
    assert drain_spool(target.url, spool_path.parent) == 1


@pytest.mark.parametrize(
    ("version", "tables", "standing"),
    [
        (None, set(), Standing.EMPTY),
        (None, {"rollouts"}, Standing.OLDER),
        (None, {"rollouts", "runs"}, Standing.FOREIGN),
        ("0001", {"rollouts"}, Standing.OLDER),
        (HEAD, set(TABLES), Standing.CURRENT),
        ("0099", set(TABLES), Standing.NEWER),
        ("1975ea83b712", set(), Standing.FOREIGN),
        ("0001", set(), Standing.FOREIGN),
        (HEAD, {"runs", "experiments"}, Standing.FOREIGN),
    ],
)
def test_how_tables_stand(version: str | None, tables: set[str], standing: Standing) -> None:
    assert judge(version, tables).standing is standing
