"""The Grafana dashboards, asked as Grafana asks: of a real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from benchmarks.telemetry.bulk import BulkRun, fill
from hack.dashboards.fleet import FLEET
from hack.dashboards.grafana import GrafanaError, sent
from hack.dashboards.model import Dashboard, Panel, Sql
from hack.dashboards.run import RUN

END = datetime.now(UTC)
BEGIN = END - timedelta(days=60)
RUNS = [
    BulkRun("sft-of-a-test", "sft", steps=20, step_seconds=1),
    BulkRun("rl-of-a-test", "rl", steps=12, parent="sft-of-a-test", groups=10, size=4),
    BulkRun("eval-of-a-test", "eval", steps=0, parent="rl-of-a-test", samples=5),
    *(BulkRun(f"sft-{n}", "sft", steps=3) for n in range(12)),
]
CHOICES = {
    "run_id": "rl-of-a-test",
    "step": "",
    "search": "",
    "groups": "zero variance",
    "experiment": ["none", *(f"experiment-{n}" for n in range(10))],
}


def sql_panels() -> list[Any]:
    return [
        pytest.param(dashboard, panel, id=f"{dashboard.uid}: {panel.title}")
        for dashboard in (FLEET, RUN)
        for panel in dashboard.panels()
        if isinstance(panel.queries[0], Sql)
    ]


@pytest.fixture(scope="module")
def database(postgres: Any, request: Any) -> Iterator[psycopg.Connection[Any]]:
    """A database of the newest schema with some runs of each kind."""
    from benchmarks.telemetry.asked import upgraded

    name = request.module.__name__.rpartition(".")[2]
    url = postgres.database_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    upgraded(url)
    fill(url, RUNS, until=END, is_large=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def answer(
    database: psycopg.Connection[Any], dashboard: Dashboard, sql: str, **chosen: Any
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows, with no variable but those that the dashboard has."""
    names = {variable["name"] for variable in dashboard.variables}
    variables = {name: value for name, value in (CHOICES | chosen).items() if name in names}
    cursor = database.execute(sent(sql, variables, BEGIN, END, "1h").encode())
    return [column.name for column in cursor.description or ()], cursor.fetchall()


@pytest.mark.parametrize(("dashboard", "panel"), sql_panels())
def test_every_panel_gets_rows_with_the_columns_it_needs(
    database: psycopg.Connection[Any], dashboard: Dashboard, panel: Panel
) -> None:
    (query,) = panel.queries
    assert isinstance(query, Sql)
    kinds = [run.run_id for run in RUNS[:3]] if dashboard is RUN else ["none"]
    answers = [answer(database, dashboard, query.text, run_id=run_id) for run_id in kinds]

    for columns, rows in answers:
        assert set(query.needs) <= set(columns)
        assert len(set(columns)) == len(columns), "Grafana shows only one of two equal names"
        _check_order(panel, query, columns, rows)
    filled = {
        name
        for columns, rows in answers
        for name in columns
        if any(row[columns.index(name)] is not None for row in rows)
    }
    assert set(query.needs) <= filled, "a column that a panel needs has no value for any run"


def _check_order(panel: Panel, query: Sql, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    if query.format == "time_series":
        times = [row[columns.index("time")] for row in rows]
        assert times == sorted(times), "Grafana refuses a long series that is not in order"
    if panel.kind == "trend":
        steps = [row[columns.index("step")] for row in rows]
        assert steps == sorted(steps), "a trend panel wants ascending steps"
        curve = columns.index("name") if "name" in columns else None
        points = [(row[columns.index("step")], row[curve] if curve else "") for row in rows]
        assert len(set(points)) == len(points), "a curve has one value at a step"


@pytest.mark.parametrize("dashboard", [FLEET, RUN], ids=lambda d: d.uid)
def test_every_variable_offers_something(
    database: psycopg.Connection[Any], dashboard: Dashboard
) -> None:
    offered = [v for v in dashboard.variables if v["type"] == "query"]
    assert offered
    for variable in offered:
        _, rows = answer(database, dashboard, variable["query"])
        assert rows
        assert all(value for row in rows for value in row)


@pytest.mark.parametrize(("dashboard", "panel"), sql_panels())
def test_a_database_without_rows_is_no_error(
    database: psycopg.Connection[Any], dashboard: Dashboard, panel: Panel
) -> None:
    (query,) = panel.queries
    assert isinstance(query, Sql)
    nothing = {"run_id": "nobody's", "experiment": ["no such"]}
    columns, rows = answer(database, dashboard, query.text, **nothing)
    assert set(query.needs) <= set(columns)
    assert len(rows) <= 1, "what is counted may be one row, nothing else"


def test_what_is_typed_in_stays_text(database: psycopg.Connection[Any]) -> None:
    panel = next(panel for panel in RUN.panels() if panel.title == "Generations")
    (query,) = panel.queries
    assert isinstance(query, Sql)
    _, everything = answer(database, RUN, query.text)
    _, hostile = answer(database, RUN, query.text, search="' OR '' = '")
    _, found = answer(database, RUN, query.text, search="<GUESS>")
    assert everything
    assert found == everything
    assert hostile == []


def test_a_step_that_was_done_again_counts_once_as_it_was_done_last(
    database: psycopg.Connection[Any],
) -> None:
    panel = next(panel for panel in RUN.panels() if panel.title == "Entropy")
    (query,) = panel.queries
    assert isinstance(query, Sql)
    with database.transaction(force_rollback=True):
        database.execute(
            "INSERT INTO epoch_metrics (id, run_id, attempt, step, created_at, entropy) "
            "SELECT gen_random_uuid(), run_id, 7, step, created_at, 99 FROM epoch_metrics "
            "WHERE run_id = 'rl-of-a-test' AND step = 3"
        )
        _, rows = answer(database, RUN, query.text)
    assert [value for step, value in rows if step == 3] == [99]
    assert len(rows) == RUNS[1].steps


def test_a_long_run_is_shown_as_about_a_thousand_points(database: psycopg.Connection[Any]) -> None:
    panel = next(panel for panel in RUN.panels() if panel.title == "Entropy")
    (query,) = panel.queries
    assert isinstance(query, Sql)
    with database.transaction(force_rollback=True):
        database.execute(
            "INSERT INTO epoch_metrics (id, run_id, attempt, step, created_at, entropy) "
            "SELECT gen_random_uuid(), 'long', 0, n, now(), n FROM generate_series(1, 50000) n"
        )
        _, rows = answer(database, RUN, query.text, run_id="long")
    assert 900 <= len(rows) <= 1001
    assert all(step - 1 <= value <= step + 60 for step, value in rows)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT $__timeFilter(coalesce(a, b))", "no macro"),  # it ends at the first parenthesis
        ("SELECT $__timeGroup(a)", "no macro"),
        ("SELECT $__nothing(a)", "no macro"),
        ("SELECT '$missing'", "no variable"),
        ("SELECT x IN ($experiment)", "sqlstring"),
    ],
)
def test_a_query_that_grafana_would_refuse_is_refused(sql: str, said: str) -> None:
    with pytest.raises(GrafanaError, match=said):
        sent(sql, {"experiment": ["a", "b"]}, BEGIN, END)


def test_variables_and_macros_become_what_grafana_makes_of_them() -> None:
    begin = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    sql = "$__timeGroupAlias(t,$__interval) '$run_id' ${names:sqlstring} $__timeFilter(t)"
    chosen = {"run_id": "it's", "names": ["a", "b'c"]}
    assert sent(sql, chosen, begin, begin, "5m") == (
        'floor(extract(epoch from t)/300)*300 AS "time" '
        "'it''s' 'a','b''c' t BETWEEN '2026-01-02T03:04:05Z' AND '2026-01-02T03:04:05Z'"
    )


def test_a_filled_database_has_every_row_and_every_reference(
    database: psycopg.Connection[Any],
) -> None:
    def count(sql: str) -> int:
        return int(database.execute(sql).fetchone()[0])  # type: ignore[index]

    generations = sum(run.generations for run in RUNS)
    assert count("SELECT count(*) FROM generations") == generations
    rl = generations - RUNS[2].samples
    assert count("SELECT count(*) FROM reward_components") == 3 * rl
    assert count("SELECT count(*) FROM rollouts") * RUNS[1].size == rl
    for table, column, other, key in (
        ("generations", "rollout_id", "rollouts", "id"),
        ("reward_components", "generation_id", "generations", "id"),
        ("eval_samples", "generation_id", "generations", "id"),
        ("runs", "experiment_id", "experiments", "id"),
    ):
        lost = f"""SELECT count(*) FROM {table} a LEFT JOIN {other} b ON b.{key} = a.{column}
            WHERE a.{column} IS NOT NULL AND b.{key} IS NULL"""
        assert count(lost) == 0, table
