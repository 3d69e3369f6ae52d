"""A hundred runs that write at once: ten processes of ten runs each, each run with its own writer.

`python -m benchmarks.telemetry.writers URL FOLDER FIRST RUNS STEPS` is one of the processes; it
prints what its runs were told at their end.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.telemetry.server import postgres

PROCESSES, RUNS_EACH = 10, 10
GROUPS, GROUP_SIZE, CHARACTERS = 8, 8, 1000
REWARDS = ("consistent", "dictionary", "format")
EXPECTED_A_STEP = {
    "rollouts": GROUPS,
    "generations": GROUPS * GROUP_SIZE,
    "reward_components": GROUPS * GROUP_SIZE * len(REWARDS),
    "epoch_metrics": 1,
}
Figures = dict[str, float]


def writers(is_quick: bool) -> list[Figures]:
    """Returns the rows that a hundred runs wrote, those that are missing, and how fast it went."""
    steps = 4 if is_quick else 20
    with (
        tempfile.TemporaryDirectory(prefix="perf-") as folder,
        postgres(Path(folder) / "server") as server,
    ):
        began = time.perf_counter()
        told = _run_all(server.database_url, Path(folder), steps)
        seconds = time.perf_counter() - began
        found = _found(server.database_url)
    wanted = {
        table: PROCESSES * RUNS_EACH * steps * count for table, count in EXPECTED_A_STEP.items()
    }
    every_run = {t: n * steps for t, n in EXPECTED_A_STEP.items()}
    missing = sum(
        abs(every_run[table] - found[table].get(f"run-{n}", 0))
        for table in wanted
        for n in range(PROCESSES * RUNS_EACH)
    )
    rows = sum(wanted.values())
    return [
        {
            "rows": rows,
            "missing": missing,
            "not_written": sum(t["spooled"] + t.get("lost", 0) for t in told),
            "rows_per_s": rows / seconds,
        }
    ]


def _run_all(url: str, folder: Path, steps: int) -> list[dict[str, int]]:
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.telemetry.writers", url, str(folder)),
                *(str(RUNS_EACH * n), str(RUNS_EACH), str(steps)),
            ],
            stdout=subprocess.PIPE,
        )
        for n in range(PROCESSES)
    ]
    told = []
    for process in processes:
        output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError("A process of writers failed, see above.")
        told += json.loads(output)
    return told


def _found(url: str) -> dict[str, dict[str, int]]:
    """Rows of each table by run."""
    import psycopg

    with psycopg.connect(url) as connection:
        return {
            table: dict(
                connection.execute(f"SELECT run_id, count(*) FROM {table} GROUP BY 1").fetchall()
            )
            for table in EXPECTED_A_STEP
        }


def _write(url: str, folder: Path, number: int, steps: int, told: list[dict[str, int]]) -> None:
    from tenyson.telemetry import Completion, PromptGroup, open_telemetry

    run_id = f"run-{number}"
    telemetry = open_telemetry(url, folder / run_id, run_id=run_id, attempt=0)
    for step in range(steps):
        groups = [
            PromptGroup(
                group,
                f"prompt {group}",
                [
                    Completion(
                        f"{run_id} {step} {group} {i} ".ljust(CHARACTERS, "x"),
                        dict.fromkeys(REWARDS, 0.5),
                        0.5,
                    )
                    for i in range(GROUP_SIZE)
                ],
            )
            for group in range(GROUPS)
        ]
        telemetry.record_rollouts(step, groups)
        telemetry.record_epoch_metrics(step, {"loss": 1.0, "reward_mean": 0.5})
        time.sleep(0.2)
    told.append(telemetry.close(deadline_seconds=300))


def main() -> int:
    """Runs the writers of one process."""
    url, folder, first, count, steps = sys.argv[1:]
    told: list[dict[str, int]] = []
    threads = [
        threading.Thread(target=_write, args=(url, Path(folder), int(first) + n, int(steps), told))
        for n in range(int(count))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(told) != len(threads):
        return 1
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
