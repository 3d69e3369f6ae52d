"""What the dashboards say of a run of several attempts: nothing counts twice or for ever."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hack.dashboards.fleet import FLEET
from hack.dashboards.model import Dashboard, Sql
from hack.dashboards.run import RUN
from tests.telemetry.test_dashboards import answer
from tests.telemetry.test_dashboards import database as database  # a fixture

Database = psycopg.Connection[Any]


@pytest.fixture
def changed(database: Database) -> Iterator[Database]:
    """The database, with its rows as before afterwards."""
    with database.transaction(force_rollback=True):
        yield database


def shown(database: Database, dashboard: Dashboard, title: str, **chosen: Any) -> list[Any]:
    """Rows of a panel as dictionaries."""
    panel = next(panel for panel in dashboard.panels() if panel.title == title)
    (query,) = panel.queries
    assert isinstance(query, Sql)
    columns, rows = answer(database, dashboard, query.text, **chosen)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def add_run(database: Database, *attempts: str) -> None:
    """A run `again`, with what the columns from `started_at` of its attempts hold."""
    database.execute(
        "INSERT INTO runs (run_id, job_type, name, task, model, config, config_hash, parents, "
        "created_at, updated_at) SELECT 'again', job_type, name, task, model, config, config_hash, "
        "parents, created_at, updated_at FROM runs WHERE run_id = 'sft-0'"
    )
    for number, values in enumerate(attempts):
        database.execute(
            "INSERT INTO attempts (id, run_id, attempt, created_at, started_at, ended_at, status, "
            f"cost) VALUES (gen_random_uuid(), 'again', {number}, now(), {values})".encode()
        )


def test_a_cost_counts_once_whatever_the_number_of_attempts(changed: Database) -> None:
    assert shown(changed, RUN, "Cost", run_id="sft-of-a-test") == [{"cost": "0.44 USD"}]
    assert shown(changed, FLEET, "Cost") == [{"cost": "1.36 USD"}]
    day = "now() - interval '5 days'"
    add_run(
        changed,
        f"""{day}, {day}, 'preempted', '{{"amount": 1.5, "currency": "EUR"}}'""",
        f"""{day}, NULL, NULL, NULL""",
        f"""{day}, {day}, 'success', '{{"amount": 4.0, "currency": "EUR"}}'""",
    )

    assert shown(changed, RUN, "Cost", run_id="again") == [{"cost": "4.00 EUR"}]
    assert shown(changed, FLEET, "Cost") == [{"cost": "4.00 EUR + 1.36 USD"}]
    per_day = shown(changed, FLEET, "Cost per day")
    assert [row["value"] for row in per_day if row["metric"].endswith("EUR")] == [4.0]
    usd = sum(row["value"] for row in per_day if row["metric"].endswith("USD"))
    assert usd == pytest.approx(1.36)


def test_a_killed_attempt_lasted_until_its_last_sign_and_is_not_open(changed: Database) -> None:
    (before,) = shown(changed, FLEET, "Open attempts")
    assert before["attempts"] > 0
    add_run(
        changed,
        "now() - interval '5 days', NULL, NULL, NULL",
        "now() - interval '4 days', now() - interval '4 days' + interval '1 hour', 'success', NULL",
    )
    changed.execute(
        "INSERT INTO events (id, run_id, attempt, step, created_at, kind, level, name, message) "
        "SELECT gen_random_uuid(), 'again', 0, 1, now() - interval '5 days' + interval '2 hours', "
        "'state', 'info', 'training', ''"
    )

    assert shown(changed, RUN, "Time", run_id="again") == [{"seconds": 3 * 3600}]
    assert shown(changed, FLEET, "Open attempts") == [before]
    assert "again" not in {row["run"] for row in shown(changed, FLEET, "Running")}
    rows = [row for row in shown(changed, FLEET, "Attempts") if row["run"] == "again"]
    assert [(row["status"], row["duration"]) for row in rows] == [
        ("success", 3600), ("killed", 7200),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("run_id", "tokens"),
    [("sft-of-a-test", 2 * 20 * (1000 + 4000)), ("rl-of-a-test", 12 * (1000 + 4000))],
)
def test_tokens_are_all_that_was_read_and_written(
    changed: Database, run_id: str, tokens: int
) -> None:
    assert shown(changed, RUN, "Tokens", run_id=run_id) == [{"tokens": tokens}]


def test_completions_of_a_step_that_was_done_again_are_those_of_the_newest_attempt(
    changed: Database,
) -> None:
    at_first = shown(changed, RUN, "Groups: $groups", groups="zero variance")
    assert any(row["step"] == 3 for row in at_first)
    for statement in (
        "INSERT INTO attempts (id, run_id, attempt, created_at, started_at) "
        "VALUES (gen_random_uuid(), 'rl-of-a-test', 7, now(), now())",
        "INSERT INTO rollouts (id, run_id, attempt, step, created_at, phase, group_index, "
        "sampling_round, prompt, prompt_hash, zero_variance) VALUES (gen_random_uuid(), "
        "'rl-of-a-test', 7, 3, now(), 'rl', 0, 0, 'again', '', true)",
        "INSERT INTO generations (id, run_id, attempt, step, created_at, phase, rollout_id, index, "
        "completion, tokens, reward) SELECT gen_random_uuid(), run_id, 7, 3, now(), 'rl', id, 0, "
        "'again', 1, 99 FROM rollouts WHERE attempt = 7",
    ):
        changed.execute(statement)

    completions = shown(changed, RUN, "Generations", step="3")
    assert [row["completion"] for row in completions] == ["again"]
    assert shown(changed, RUN, "Rewards of the step", step="3") == [{"reward": 99}]
    groups = shown(changed, RUN, "Groups: $groups", groups="zero variance")
    assert [row["prompt"] for row in groups if row["step"] == 3] == ["again"]
    assert {row["step"] for row in groups} >= {row["step"] for row in at_first}
    assert len(shown(changed, RUN, "Generations", step="4")) > 1


def test_an_answer_that_was_given_again_is_shown_as_it_was_given_last(changed: Database) -> None:
    columns = "step, created_at, generation_id, row_id, sample_index, model, prompt, prompt_hash"
    before = shown(changed, RUN, "Evaluation samples", run_id="eval-of-a-test")
    changed.execute(
        f"INSERT INTO eval_samples (id, run_id, attempt, {columns}, scores) "
        f"SELECT gen_random_uuid(), run_id, 1, {columns}, '{{}}' FROM eval_samples "
        "WHERE run_id = 'eval-of-a-test' AND row_id = 'row-0'".encode()
    )

    rows = shown(changed, RUN, "Evaluation samples", run_id="eval-of-a-test")
    assert [row["row"] for row in rows] == [row["row"] for row in before]
    assert [row["scores"] for row in rows].count("{}") == 1
