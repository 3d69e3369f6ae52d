"""Measures what telemetry costs a training step, and how fast rows reach the database.

    python benchmarks/telemetry_write.py [--url URL] [--steps N]

Each step records 512 completions of 4 KB in 64 groups. Without `--url` it measures SQLite in a
temporary folder, then a PostgreSQL server of its own.
"""

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenyson.contract import JobType
from tenyson.telemetry import Completion, PromptGroup, Telemetry, open_telemetry

GROUPS, GROUP_SIZE, CHARACTERS = 64, 8, 4096
ROWS_A_STEP = GROUPS * (GROUP_SIZE + 1)
STEP_SECONDS = 0.5
"""Pause between steps: what the rest of a quick training step takes."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", help="measure this database only")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.url:
            measure("given", arguments.url, Path(folder), arguments.steps)
            return
        measure("SQLite", f"sqlite:///{folder}/telemetry.db", Path(folder), arguments.steps)
        with own_postgres(Path(folder) / "server") as url:
            measure("PostgreSQL", url, Path(folder), arguments.steps)


def measure(name: str, url: str, folder: Path, steps: int) -> None:
    telemetry = open_one(url, folder)
    held_up = []
    for number in range(steps):
        held_up.append(step(telemetry, number))
        time.sleep(STEP_SECONDS)
    closed = time.perf_counter()
    counts = telemetry.close()
    flush = time.perf_counter() - closed
    print(
        f"{name}: {ROWS_A_STEP} rows a step ({GROUPS * GROUP_SIZE} completions of "
        f"{CHARACTERS} characters); training held up {1e3 * statistics.median(held_up):.1f} ms a "
        f"step (median), {1e3 * max(held_up):.1f} ms (worst); last flush {flush:.2f} s; {counts}"
    )
    telemetry = open_one(url, folder)
    started = time.perf_counter()
    for number in range(steps):
        step(telemetry, number)
    counts = telemetry.close(deadline_seconds=600)
    seconds = time.perf_counter() - started
    rate = counts["written"] / seconds
    print(
        f"{name}: without pauses {rate:,.0f} rows/s, {rate * CHARACTERS / 1e6:.0f} MB/s; {counts}"
    )


def step(telemetry: Telemetry, number: int) -> float:
    """Records one step; returns the seconds that training waits for it."""
    groups = [
        PromptGroup(
            group,
            f"prompt {number} {group} ".ljust(400, "p"),
            [
                Completion(
                    f"{number} {group} {i} ".ljust(CHARACTERS, "x"), {"a": 1.0, "b": None}, 1.0
                )
                for i in range(GROUP_SIZE)
            ],
        )
        for group in range(GROUPS)
    ]
    started = time.perf_counter()
    telemetry.record_rollouts(number, groups)
    return time.perf_counter() - started


def open_one(url: str, folder: Path) -> Telemetry:
    run_id = str(uuid.uuid4())
    return open_telemetry(url, folder, run_id=run_id, attempt=0, job_type=JobType.RL)


@contextmanager
def own_postgres(folder: Path) -> Iterator[str]:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from hack.cluster.postgres import Postgres

    server = Postgres(folder)
    server.start()
    try:
        yield server.database_url
    finally:
        server.stop()


if __name__ == "__main__":
    main()
