"""The dashboards over what SFT, RL and Eval really record: a renamed metric would empty a panel."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hack.cluster.postgres import Postgres
from hack.dashboards.fleet import FLEET
from hack.dashboards.grafana import sent
from hack.dashboards.model import Dashboard, Sql
from hack.dashboards.run import RUN
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train

NOT_IN_GOOD_RUNS = {"Warnings and errors of runs", "Failures", "Running"}


@pytest.fixture(scope="module")
def database(
    tmp_path_factory: pytest.TempPathFactory, sum_task: Any, build_config: Any
) -> Iterator[psycopg.Connection[Any]]:
    """What three jobs left: SFT with held-out rows, RL from its adapter, an evaluation of that."""
    folder: Path = tmp_path_factory.mktemp("chain")
    server = Postgres(folder / "server")
    server.start()
    try:
        shared = {
            "telemetry": {"db_url": server.database_url, "experiment": "chain"},
            "budget": {"price_per_hour": 3600.0},
            "checkpoint": {"every_steps": 2},
        }
        SFTJob(
            build_config(
                **shared, training={"max_steps": 4, "eval_steps": 2}, task={"sft_eval": True}
            ),
            sum_task, run_id="sft", output_dir=folder / "sft",
        ).run()  # fmt: skip
        RLJob(
            build_config(
                **shared, training={"max_steps": 4}, rl={"beta": 0.1},
                adapter={"path": str(folder / "sft" / "checkpoint-final")},
            ),
            sum_task, run_id="rl", output_dir=folder / "rl",
        ).run()  # fmt: skip
        EvalJob(
            build_config(
                **shared,
                adapter={"path": str(folder / "rl" / "checkpoint-final")},
            ),
            sum_task, run_id="eval", output_dir=folder / "eval",
        ).run()  # fmt: skip
        with psycopg.connect(server.database_url, autocommit=True) as connection:
            yield connection
    finally:
        server.stop()


def empty_panels(database: psycopg.Connection[Any], dashboard: Dashboard, run_id: str) -> set[str]:
    """Titles of the panels of which a needed column has no value at all."""
    chosen = {"run_id": run_id, "step": "", "search": "", "groups": "best", "experiment": ["chain"]}
    end = datetime.now(UTC) + timedelta(minutes=1)
    empty = set()
    for panel in dashboard.panels():
        for query in (query for query in panel.queries if isinstance(query, Sql)):
            sql = sent(query.text, chosen, end - timedelta(days=1), end, "1m")
            cursor = database.execute(sql.encode())
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
            if any(all(row[names.index(name)] is None for row in rows) for name in query.needs):
                empty.add(panel.title)
    return empty


def test_every_panel_of_a_run_shows_something_of_a_real_one(
    database: psycopg.Connection[Any],
) -> None:
    empty = [empty_panels(database, RUN, run_id) for run_id in ("sft", "rl", "eval")]
    assert set.intersection(*empty) == set()
    of_rl = {"Evaluation samples"}
    assert empty[1] <= of_rl


def test_every_panel_of_the_fleet_shows_something_of_real_runs(
    database: psycopg.Connection[Any],
) -> None:
    assert empty_panels(database, FLEET, "rl") <= NOT_IN_GOOD_RUNS


def test_the_loss_on_held_out_rows_is_shown_beside_that_of_training(
    database: psycopg.Connection[Any],
) -> None:
    panel = next(panel for panel in RUN.panels() if panel.title == "Loss")
    (query,) = panel.queries
    assert isinstance(query, Sql)
    now = datetime.now(UTC)
    rows = database.execute(sent(query.text, {"run_id": "sft"}, now, now).encode()).fetchall()
    assert [(step, loss is None, held is None) for step, loss, held in rows] == [
        (1, False, True), (2, False, False), (3, False, True), (4, False, False),
    ]  # fmt: skip
