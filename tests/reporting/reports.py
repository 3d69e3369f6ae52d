"""Reports made from a database, and their sections."""

from typing import Any

import pytest

from tenyson.reporting.report import Report, make_report
from tenyson.telemetry.reading import open_database
from tests.runtime.reporting.chain import RL

HEADINGS = [
    "Runs", "Lineage", "Warnings", "Evaluations", "Learning curves", "Rewards", "Events",
    "What was changed from run to run", "Time, tokens and cost", "Groups of completions",
    "Environment", "Once more",
]  # fmt: skip


@pytest.fixture(scope="session")
def report(sqlite_chain: str) -> Report:
    return made(sqlite_chain, RL)


def made(url: str, *runs: str, **options: Any) -> Report:
    engine = open_database(url)
    try:
        return make_report(engine, runs, **options)
    finally:
        engine.dispose()


def section(report: Report, heading: str) -> str:
    return report.markdown.split(f"\n## {heading}\n")[1].split("\n## ")[0]
