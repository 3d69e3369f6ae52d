"""The four tables of the first version; a database that has them already is adopted as it is."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables that are not there yet."""
    op.create_table(
        "sft_metrics",
        *_shared(),
        *(sa.Column(name, sa.Double()) for name in ("epoch", "loss", "learning_rate")),
        *(sa.Column(name, sa.Double()) for name in ("grad_norm", "mean_token_accuracy", "entropy")),
        sa.Column("num_tokens", sa.BigInteger()),
        *(sa.Column(name, sa.Double()) for name in ("eval_loss", "eval_mean_token_accuracy")),
        if_not_exists=True,
    )
    op.create_table(
        "epoch_metrics",
        *_shared(),
        *(sa.Column(name, sa.Double()) for name in ("epoch", "loss", "kl", "reward_mean")),
        *(sa.Column(name, sa.Double()) for name in ("reward_std", "zero_std_share", "entropy")),
        *(sa.Column(name, sa.Double()) for name in ("completion_length", "truncated_share")),
        *(sa.Column(name, sa.Double()) for name in ("clip_ratio", "learning_rate", "grad_norm")),
        sa.Column("num_tokens", sa.BigInteger()),
        if_not_exists=True,
    )
    op.create_table(
        "rollouts",
        *_shared(),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("group_index", sa.BigInteger(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("reward_mean", sa.Double()),
        sa.Column("reward_std", sa.Double()),
        if_not_exists=True,
    )
    op.create_table(
        "generations",
        *_shared(),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("rollout_id", sa.Uuid(as_uuid=False), sa.ForeignKey("rollouts.id")),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("completion", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger()),
        sa.Column("reward", sa.Double()),
        sa.Column("rewards", _json()),
        sa.Column("row_id", sa.Text()),
        sa.Column("prompt", sa.Text()),
        sa.Column("scores", _json()),
        if_not_exists=True,
    )
    for table in ("sft_metrics", "epoch_metrics", "rollouts"):
        op.create_index(f"ix_{table}_run", table, ["run_id", "attempt", "step"], if_not_exists=True)
    columns = ["run_id", "attempt", "phase", "step"]
    op.create_index("ix_generations_run", "generations", columns, if_not_exists=True)
    op.create_index("ix_generations_rollout", "generations", ["rollout_id"], if_not_exists=True)


def _shared() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _json() -> sa.types.TypeEngine[Any]:
    return sa.JSON().with_variant(JSONB(), "postgresql")
