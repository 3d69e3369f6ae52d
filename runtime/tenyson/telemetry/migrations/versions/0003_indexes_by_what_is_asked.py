"""Indexes for what reports and dashboards ask: curves by name, groups by reward, speed by time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the indexes."""
    op.create_index("ix_metrics_name", "metrics", ["run_id", "name", "step"])
    _create_partly(
        "ix_metrics_speed",
        *("metrics", ["run_id", "created_at"]),
        "kind = 'system' AND name = 'tokens_per_second'",
    )
    op.create_index("ix_rollouts_step", "rollouts", ["run_id", "phase", "step"])
    op.create_index("ix_rollouts_reward", "rollouts", ["run_id", "phase", "reward_mean"])
    _create_partly("ix_rollouts_zero", "rollouts", ["run_id", "step"], "zero_variance")
    # Deleting a completion looks for samples that refer to it.
    op.create_index("ix_eval_samples_generation", "eval_samples", ["generation_id"])


def _create_partly(name: str, table: str, columns: list[str], condition: str) -> None:
    """Makes an index of the rows that fulfil a condition."""
    where = sa.text(condition)
    op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
