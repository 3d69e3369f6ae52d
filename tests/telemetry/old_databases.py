"""Databases as version 1 left them, and the command that brings one up."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tenyson.telemetry.engines import make_engine
from tenyson.telemetry.rows import RunKey
from tenyson.telemetry.schema import SchemaState, known_versions, migrate
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
