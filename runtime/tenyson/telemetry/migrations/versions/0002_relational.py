"""Runs, attempts, events, metrics in long form; rewards and scores in tables of their own."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

NAMESPACE = uuid.UUID("6f1d3a52-6a8a-5d0c-9d0e-6c1a2f6b7e11")
MOVED = ("rewards", "row_id", "prompt", "scores")
UNKNOWN_END = "This attempt is of before version 2 of the telemetry: how it ended is not known."


def upgrade() -> None:
    """Makes the new tables, and moves what the old columns hold into them."""
    _create_tables()
    _escape_the_escape_sign()
    _widen_rollouts()
    _widen_generations()
    _record_the_runs()


def _create_tables() -> None:
    op.create_table(
        "experiments",
        _id(),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        _moment("created_at"),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("experiment_id", sa.Uuid(as_uuid=False), sa.ForeignKey("experiments.id")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("job_type", "name")),
        sa.Column("namespace", sa.Text()),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("task", "model")),
        sa.Column("config", _json(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger()),
        sa.Column("dataset_key", sa.Text()),
        sa.Column("parents", _json(), nullable=False),
        sa.Column("git_sha", sa.Text()),
        sa.Column("manifest", _json()),
        _moment("created_at"),
        _moment("updated_at"),
    )
    op.create_table(
        "attempts",
        *_of_an_attempt(),
        _moment("started_at"),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("status", sa.Text()),
        sa.Column("exit_code", sa.BigInteger()),
        sa.Column("stop_reason", sa.Text()),
        sa.Column("global_step", sa.BigInteger()),
        sa.Column("resumed_from_step", sa.BigInteger()),
        sa.Column("wandb_url", sa.Text()),
        *(sa.Column(name, _json()) for name in ("phase_seconds", "tokens", "cost", "peak_memory")),
        *(sa.Column(name, _json()) for name in ("hardware", "metrics", "failure", "result")),
        sa.Column("warnings", _json()),
    )
    op.create_table(
        "events",
        *_of_a_step(),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "level", "name")),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("details", _json()),
    )
    op.create_table(
        "checkpoints",
        *_of_a_step(),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text()),
        sa.Column("sha256", sa.Text()),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("seconds", sa.Double()),
        sa.Column("is_final", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "artifacts",
        *_of_an_attempt(),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "path")),
        *(sa.Column(name, sa.Text()) for name in ("uri", "sha256")),
        sa.Column("bytes", sa.BigInteger()),
    )
    op.create_table(
        "metrics",
        *_of_a_step(),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "name")),
        sa.Column("value", sa.Double()),
    )
    op.create_table(
        "reward_components",
        _generation_id(primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        _moment("created_at"),
        sa.Column("value", sa.Double()),
        sa.Column("weight", sa.Double()),
    )
    op.create_table(
        "eval_samples",
        *_of_a_step(),
        _generation_id(nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("sample_index", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("model", "prompt")),
        sa.Column("prompt_hash", sa.Text(), nullable=False),
        sa.Column("expected_answer", sa.Text()),
        sa.Column("scores", _json(), nullable=False),
    )
    op.create_index("ix_runs_experiment", "runs", ["experiment_id"])
    op.create_index("ix_events_moment", "events", ["run_id", "created_at"])
    for table in ("events", "checkpoints", "metrics"):
        op.create_index(f"ix_{table}_run", table, ["run_id", "attempt", "step"])
    for table in ("attempts", "artifacts"):
        op.create_index(f"ix_{table}_run", table, ["run_id", "attempt"])


def _escape_the_escape_sign() -> None:
    """From here on ␛ begins an escape; where a text has one of its own, it is written as one."""
    for table, column in (("rollouts", "prompt"), ("generations", "completion"),
                          ("generations", "prompt"), ("generations", "row_id")):  # fmt: skip
        op.execute(
            f"UPDATE {table} SET {column} = replace({column}, '\u241b', '\u241b241b') "
            f"WHERE {column} LIKE '%\u241b%'"
        )


def _widen_rollouts() -> None:
    op.add_column("rollouts", sa.Column("policy_version", sa.BigInteger()))
    op.add_column("rollouts", sa.Column("zero_variance", sa.Boolean()))
    op.add_column(
        "rollouts", sa.Column("prompt_hash", sa.Text(), nullable=False, server_default="")
    )
    op.add_column(
        "rollouts", sa.Column("sampling_round", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute(
        f"UPDATE rollouts SET prompt_hash = {_hash_of('prompt')}, "
        "zero_variance = (reward_std < 1e-8)"
    )
    # Rounds of one step follow each other in time, and each has a group of every place.
    op.execute(
        "UPDATE rollouts SET sampling_round = numbered.turn FROM ("
        " SELECT id, row_number() OVER (PARTITION BY run_id, attempt, step, phase, group_index"
        " ORDER BY created_at, id) - 1 AS turn FROM rollouts) AS numbered "
        "WHERE numbered.id = rollouts.id AND numbered.turn > 0"
    )


def _widen_generations() -> None:
    for column in (
        sa.Column("truncated", sa.Boolean()),
        *(sa.Column(n, sa.Double()) for n in ("advantage", "logprob_gap", "latency_seconds")),
        sa.Column("extras", _json()),
    ):
        op.add_column("generations", column)
    _move_rewards()
    _move_scores()
    op.drop_index("ix_generations_run", "generations")
    if _is_postgresql():
        op.alter_column("generations", "completion", nullable=True)
        for name in MOVED:
            op.drop_column("generations", name)
    else:  # SQLite cannot let go of NOT NULL: the table is made anew, the old columns left behind
        with op.batch_alter_table("generations") as table:
            table.alter_column("completion", existing_type=sa.Text(), nullable=True)
            for name in MOVED:
                table.drop_column(name)
    op.create_index("ix_generations_run", "generations", ["run_id", "phase", "step"])
    op.create_index("ix_reward_components_run", "reward_components", ["run_id", "name", "step"])
    op.create_index("ix_eval_samples_step", "eval_samples", ["run_id", "attempt", "step"])
    op.create_index("ix_eval_samples_run", "eval_samples", ["run_id", "row_id"])


def _move_rewards() -> None:
    if _is_postgresql():
        pairs = (
            "jsonb_each(CASE WHEN jsonb_typeof(g.rewards) = 'object' THEN g.rewards"
            " ELSE '{}'::jsonb END)"
        )
        value = "CASE WHEN jsonb_typeof(r.value) = 'number' THEN r.value::text::float8 END"
    else:
        pairs = "json_each(CASE WHEN json_type(g.rewards) = 'object' THEN g.rewards ELSE '{}' END)"
        value = "CASE WHEN r.type IN ('integer', 'real') THEN CAST(r.value AS REAL) END"
    with _without_key("reward_components"):
        op.execute(
            "INSERT INTO reward_components (generation_id, name, run_id, step, created_at, value) "
            f"SELECT g.id, r.key, g.run_id, g.step, g.created_at, {value} "
            f"FROM generations AS g, {pairs} AS r"
        )


@contextmanager
def _without_key(table: str) -> Iterator[None]:
    """Checks the foreign key once in the end; PostgreSQL would hold a check a row in memory."""
    key = f"{table}_generation_id_fkey"
    if _is_postgresql():
        op.drop_constraint(key, table)
    yield
    if _is_postgresql():
        op.create_foreign_key(key, table, "generations", ["generation_id"], ["id"])


def _move_scores() -> None:
    empty = "'{}'::jsonb" if _is_postgresql() else "'{}'"
    hashed = _hash_of("coalesce(prompt, '')")
    op.execute(
        "INSERT INTO eval_samples (id, run_id, attempt, step, created_at, generation_id, row_id, "
        "sample_index, model, prompt, prompt_hash, scores) "
        "SELECT id, run_id, attempt, step, created_at, id, row_id, \"index\", '', "
        f"coalesce(prompt, ''), {hashed}, coalesce(scores, {empty}) "
        "FROM generations WHERE row_id IS NOT NULL"
    )


def _record_the_runs() -> None:
    """A row for each run and attempt that left rows; what was not written down stays unknown."""
    seen = " UNION ALL ".join(
        f"SELECT run_id, attempt, min(created_at) AS begun, max({rank}) AS kind "
        f"FROM {table} GROUP BY run_id, attempt"
        for table, rank in (
            ("sft_metrics", "2"), ("epoch_metrics", "1"),
            ("generations", "CASE WHEN rollout_id IS NULL THEN 0 ELSE 1 END"),
        )
    )  # fmt: skip
    query = sa.text(
        f"SELECT run_id, attempt, min(begun) AS begun, max(kind) AS kind FROM ({seen}) AS seen "
        "GROUP BY run_id, attempt ORDER BY run_id, attempt"
    ).columns(begun=sa.DateTime(timezone=True))
    attempts = op.get_bind().execute(query).mappings().all()
    runs: dict[str, dict[str, object]] = {}
    for row in attempts:
        begun: datetime = row["begun"]
        known = runs.setdefault(row["run_id"], {"created_at": begun, "updated_at": begun})
        known |= {"run_id": row["run_id"], "name": row["run_id"]}
        known |= {"job_type": ("eval", "rl", "sft")[row["kind"]]}
    blank = {"task": "", "model": "", "config": {}, "config_hash": "", "parents": []}
    if runs:
        op.bulk_insert(_table_of_runs(), [blank | run for run in runs.values()])
        op.bulk_insert(_table_of_attempts(), [_attempt(row) for row in attempts])


def _attempt(row: sa.RowMapping) -> dict[str, object]:
    words = json.dumps([row["run_id"], row["attempt"], "attempts", 0])
    return {
        "id": str(uuid.uuid5(NAMESPACE, words)),
        "run_id": row["run_id"],
        "attempt": row["attempt"],
        "created_at": row["begun"],
        "started_at": row["begun"],
        "warnings": [UNKNOWN_END],
    }


def _table_of_runs() -> sa.TableClause:
    texts = ("run_id", "name", "job_type", "task", "model", "config_hash")
    return sa.table(
        "runs",
        *(sa.column(name, sa.Text()) for name in texts),
        *(sa.column(name, _json()) for name in ("config", "parents")),
        *(sa.column(name, sa.DateTime(timezone=True)) for name in ("created_at", "updated_at")),
    )


def _table_of_attempts() -> sa.TableClause:
    return sa.table(
        "attempts",
        sa.column("id", sa.Uuid(as_uuid=False)),
        sa.column("run_id", sa.Text()),
        sa.column("attempt", sa.BigInteger()),
        *(sa.column(name, sa.DateTime(timezone=True)) for name in ("created_at", "started_at")),
        sa.column("warnings", _json()),
    )


def _hash_of(column: str) -> str:
    """SQL for 16 hexadecimal digits of the text's SHA-256."""
    if _is_postgresql():
        return f"left(encode(sha256(convert_to({column}, 'UTF8')), 'hex'), 16)"
    import hashlib

    driver = op.get_bind().connection.driver_connection
    driver.create_function(  # type: ignore[union-attr]
        "sha256_16", 1, lambda text: hashlib.sha256(text.encode()).hexdigest()[:16]
    )
    return f"sha256_16({column})"


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _id() -> sa.Column[Any]:
    return sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _generation_id(**options: Any) -> sa.Column[Any]:
    key = sa.ForeignKey("generations.id")
    return sa.Column("generation_id", sa.Uuid(as_uuid=False), key, **options)


def _of_an_attempt() -> list[sa.Column[Any]]:
    return [
        _id(),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        _moment("created_at"),
    ]


def _of_a_step() -> list[sa.Column[Any]]:
    return [*_of_an_attempt(), sa.Column("step", sa.BigInteger(), nullable=False)]


def _json() -> sa.types.TypeEngine[Any]:
    return sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
