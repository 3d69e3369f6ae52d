"""Processes of many runs that write into one database at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.telemetry.recorded import POSTGRESQL

WRITE = """
import sys, threading
from tenyson.telemetry import Completion, PromptGroup, open_telemetry
url, folder, first, count, steps = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
lost = []
def run(number):
    telemetry = open_telemetry(url, f"{folder}/{number}", run_id=f"run-{number}", attempt=0)
    for step in range(steps):
        said = [Completion(f"{number} {step} {i} " * 50, {"a": 1.0, "b": i}, 1.0 + i)
                for i in range(8)]
        telemetry.record_rollouts(step, [PromptGroup(g, f"{g}?", said) for g in range(2)])
    counts = telemetry.close(120)
    if counts["spooled"] or len(counts) > 2:
        lost.append(counts)
threads = [threading.Thread(target=run, args=(first + i,)) for i in range(count)]
[t.start() for t in threads]
[t.join() for t in threads]
print(lost)
"""


def check_many_runs(target: Any, tmp_path: Path, processes: int, runs: int, steps: int) -> None:
    """Lets runs write at once, and counts what is there."""
    arguments = [[str(first * runs), str(runs), str(steps)] for first in range(processes)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, target.url, str(tmp_path), *rest],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rest in arguments
    ]  # fmt: skip
    said = [process.communicate(timeout=280)[0].strip() for process in started]
    assert said == ["[]"] * processes
    rounds = processes * runs * steps
    for table, rows in {"rollouts": 2, "generations": 16, "reward_components": 32}.items():
        assert target.scalar(f"SELECT count(*) FROM {table}") == rounds * rows


@POSTGRESQL
def test_runs_that_write_at_once_lose_nothing(target: Any, tmp_path: Path) -> None:
    check_many_runs(target, tmp_path, processes=3, runs=4, steps=5)


@pytest.mark.long
@POSTGRESQL
def test_a_hundred_runs_that_write_at_once_lose_nothing(target: Any, tmp_path: Path) -> None:
    check_many_runs(target, tmp_path, processes=4, runs=25, steps=20)
