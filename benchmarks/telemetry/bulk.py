"""A database of many runs, filled by SQL within the database: ten million rows in minutes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_STATEMENTS = Path(__file__).with_name("bulk.sql")
_SHAPE = """CREATE TEMP TABLE shape (n int PRIMARY KEY, run_id text, job_type text, parent text,
  steps int, logs_every int, groups int, size int, samples int, began timestamptz,
  every interval)"""

GROUPS, GROUP_SIZE = 64, 8
LARGE_STEPS = 2000
"""Steps of the largest RL run, which has a million completions."""
LONG_STEPS = 50_000
"""Steps of the longest SFT run, each of which is logged."""


@dataclass(frozen=True)
class BulkRun:
    """A run that is to be made."""

    run_id: str
    job_type: str
    steps: int
    parent: str | None = None
    logs_every: int = 1
    groups: int = GROUPS
    size: int = GROUP_SIZE
    samples: int = 0
    """Answers of an evaluation."""
    step_seconds: float = 20.0

    @property
    def generations(self) -> int:
        """How many completions it has."""
        if self.job_type == "eval":
            return self.samples
        return self.steps * self.groups * self.size if self.job_type == "rl" else 0


def fleet(generations: int, rl_runs: int = 100) -> list[BulkRun]:
    """Returns runs with about so many completions in all, the largest RL run first.

    One RL run in a hundred is large: a million completions, or a tenth of all where that is less.
    Each RL run came from an SFT run and was evaluated; one SFT run is long.
    """
    a_step = GROUPS * GROUP_SIZE
    large = min(LARGE_STEPS, max(2, generations // 10 // a_step))
    usual = max(1, round((generations / a_step - large) / (rl_runs - 1)))
    runs = []
    for n in range(rl_runs):
        sft, rl = f"sft-{n:04}", f"rl-{n:04}"
        long = n == 0 and generations >= 1_000_000
        runs += [
            BulkRun(sft, "sft", LONG_STEPS if long else 200, step_seconds=0.5 if long else 2.0),
            BulkRun(rl, "rl", large if n == 0 else usual, parent=sft),
            BulkRun(f"eval-{n:04}", "eval", 0, parent=rl, samples=8192 if n == 0 else 512),
        ]
    return runs


def fill(
    url: str,
    runs: Sequence[BulkRun],
    *,
    until: datetime | None = None,
    is_large: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Makes the rows of these runs in an empty database of the newest schema.

    Args:
        url: Of a PostgreSQL database, as a superuser.
        runs: What to make.
        until: When the newest run began, about; None: now. They begin over the 30 days before.
        is_large: Whether to build indexes at the end, at once, and to gather statistics.
        tell: Takes what is being done.
    """
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        # Foreign keys hold by construction; checking forty million of them one by one takes longer
        # than all the rest.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("SET client_min_messages = warning")
        connection.execute(_SHAPE)
        _insert_shape(connection, runs, until or datetime.now(UTC))
        if is_large:
            _switch_indexes_off(connection)
        for statement in _statements():
            began = time.monotonic()
            connection.execute(statement)
            if (seconds := time.monotonic() - began) > 1:
                tell(f"{statement.split('(')[0].strip()}: {seconds:.0f} s")
        if is_large:
            _build_indexes(connection, tell)
        connection.execute("DROP TABLE shape")


def _insert_shape(connection: Any, runs: Sequence[BulkRun], until: datetime) -> None:
    """Lets the runs begin one after the other, the last ones just now."""
    for n, run in enumerate(runs):
        began = until - timedelta(days=30) * (len(runs) - 1 - n) / max(1, len(runs))
        lasted = timedelta(seconds=run.step_seconds) * run.steps
        connection.execute(
            "INSERT INTO shape VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                n, run.run_id, run.job_type, run.parent, run.steps, run.logs_every, run.groups,
                run.size, run.samples, began - lasted, timedelta(seconds=run.step_seconds),
            ),
        )  # fmt: skip
    connection.execute("ANALYZE shape")


def _statements() -> Iterator[str]:
    lines = _STATEMENTS.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    yield from (statement.strip() for statement in text.split(";\n") if statement.strip())


_OURS = (
    "SELECT c.oid FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
)


def _switch_indexes_off(connection: Any) -> None:
    """Lets inserts pass by all indexes, as REINDEX builds them in a fraction of the time."""
    connection.execute(
        f"UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid IN ({_OURS})"
    )


def _build_indexes(connection: Any, tell: Callable[[str], None]) -> None:
    names = connection.execute(f"SELECT oid::regclass::text FROM ({_OURS}) t").fetchall()
    for (name,) in names:
        began = time.monotonic()
        connection.execute(f"REINDEX TABLE {name}")
        connection.execute(f"VACUUM (ANALYZE) {name}")
        if (seconds := time.monotonic() - began) > 1:
            tell(f"indexes of {name}: {seconds:.0f} s")
