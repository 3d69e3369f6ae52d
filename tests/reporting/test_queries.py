"""What reports ask the database, on SQLite and on PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from tenyson.reporting import queries
from tenyson.reporting.queries import Filters
from tenyson.reporting.queries.runs import RunNotFoundError
from tenyson.reporting.records import Attempt
from tenyson.reporting.steps import NO_LIMIT, last_steps
from tenyson.telemetry.reading import open_database
from tests.runtime.reporting.chain import (
    BASE_EVAL,
    HOSTILE,
    REWARDS,
    RL,
    RL_EVAL,
    SFT,
    SFT_EVAL,
)
from tests.runtime.reporting.chain_runs import START, Size

CHAIN = [BASE_EVAL, SFT, SFT_EVAL, RL, RL_EVAL]


def limits_of(connection: Connection, run_id: str) -> dict[int, int]:
    return dict(last_steps(queries.runs_by_id(connection, [run_id])[run_id].attempts))


def listed(connection: Connection, **filters: object) -> list[str]:
    return [run.run_id for run in queries.list_runs(connection, Filters(**filters))]  # type: ignore[arg-type]


def test_a_run_is_found_by_its_id_and_by_the_beginning_of_its_id(connection: Connection) -> None:
    assert queries.find_run(connection, RL) == RL
    assert queries.find_run(connection, "wordle-br") == "wordle-broken"


def test_what_names_several_runs_or_none_is_refused_with_what_there_is(
    connection: Connection,
) -> None:
    with pytest.raises(RunNotFoundError, match="wordle-sft-eval"):
        queries.find_run(connection, "wordle-s")
    with pytest.raises(RunNotFoundError, match=r"no run 'nothing'.*wordle-rl"):
        queries.find_run(connection, "nothing")
    with pytest.raises(RunNotFoundError):
        queries.find_run(connection, "wordle%rl")


def test_filters_choose_runs_the_newest_first(connection: Connection) -> None:
    assert listed(connection) == ["wordle-broken", *reversed(CHAIN)]
    assert listed(connection, limit=2) == ["wordle-broken", RL_EVAL]
    assert listed(connection, job_type="rl") == ["wordle-broken", RL]
    assert listed(connection, status="failed") == ["wordle-broken"]
    assert listed(connection, status="unfinished") == []
    assert listed(connection, since=START + timedelta(minutes=60)) == ["wordle-broken", RL_EVAL]
    assert listed(connection, experiment="other") == []
    assert len(listed(connection, experiment="wordle")) == 6


@pytest.mark.parametrize("asked", [RL, RL_EVAL])
def test_the_lineage_holds_ancestors_evaluations_and_the_base(
    connection: Connection, asked: str
) -> None:
    found = queries.lineage(connection, [asked])
    assert sorted(found) == sorted(CHAIN)


def test_what_was_trained_on_top_is_not_of_the_lineage(connection: Connection) -> None:
    assert sorted(queries.lineage(connection, [SFT])) == sorted([BASE_EVAL, SFT, SFT_EVAL])


def test_steps_that_a_later_attempt_undid_do_not_count(connection: Connection) -> None:
    limits = limits_of(connection, SFT)
    assert limits == {0: 40, 1: NO_LIMIT}
    curve = queries.curves(connection, SFT, ["loss"], limits)["loss"]
    assert [point.step for point in curve] == list(range(1, Size.sft_steps + 1))
    assert max(point.high for point in curve) < 4  # what was undone is above 5
    everything = queries.curves(connection, SFT, ["loss"], {0: NO_LIMIT, 1: NO_LIMIT})["loss"]
    assert max(point.high for point in everything) > 5


def test_an_attempt_that_has_not_said_where_it_starts_undoes_nothing() -> None:
    attempts = [Attempt(0, START), Attempt(1, START, resumed_from_step=30), Attempt(2, START)]
    assert last_steps(attempts) == {0: 30, 1: NO_LIMIT, 2: NO_LIMIT}
    again = [Attempt(0, START), Attempt(1, START, resumed_from_step=0)]
    assert last_steps(again)[0] == 0


def test_a_long_curve_comes_in_pieces_with_what_lies_behind_them(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queries.curves.__globals__, "PIECES", 10)
    curve = queries.curves(connection, RL, ["reward"], limits_of(connection, RL))["reward"]
    assert 8 <= len(curve) <= 10
    assert all(point.low <= point.value <= point.high for point in curve)
    assert any(point.low < point.high for point in curve)


def test_last_values_hold_every_metric_once(connection: Connection) -> None:
    found = queries.last_values(connection, RL, limits_of(connection, RL))
    assert {f"rewards/{name}/mean" for name in REWARDS} < set(found)
    assert all(step == Size.rl_steps for step, _ in found.values())
    assert queries.curves(connection, RL, ["nothing"], limits_of(connection, RL)) == {}


def test_the_seconds_of_a_phase_are_not_taken_for_the_metric_of_its_name(
    connection: Connection,
) -> None:
    limits = limits_of(connection, RL)
    assert max(p.high for p in queries.curves(connection, RL, ["reward"], limits)["reward"]) < 3
    found = queries.last_values(connection, RL, limits)
    assert found["reward"][1] < 3
    assert found["phase/reward"] == (Size.rl_steps, 90.0)


def test_groups_are_chosen_by_their_reward_and_come_with_their_texts(
    connection: Connection,
) -> None:
    limits = limits_of(connection, RL)
    best, worst, flat = (
        queries.groups(connection, RL, which, limits)
        for which in ("best", "worst", "zero_variance")
    )
    means = [group.reward_mean or 0 for group in (*best, *reversed(worst))]
    assert means == sorted(means, reverse=True)
    assert len(best) == len(worst) == len(flat) == 3
    assert {group.reward_std for group in flat} == {0}
    for group in (*best, *worst, *flat):
        assert [c.index for c in group.completions] == list(range(Size.completions))
        for completion in group.completions:
            total = sum(REWARDS[name] * (v or 0) for name, v in completion.components.items())
            assert total == pytest.approx(completion.reward)


def test_texts_come_back_as_the_model_gave_them(connection: Connection) -> None:
    groups = queries.groups(connection, RL, "best", limits_of(connection, RL), limit=40)
    texts = {completion.text for group in groups for completion in group.completions}
    assert set(HOSTILE) <= texts


def test_components_have_weight_and_mean_at_both_ends(connection: Connection) -> None:
    found = queries.components(connection, RL, limits_of(connection, RL))
    assert {c.name: c.weight for c in found} == REWARDS
    consistent = next(c for c in found if c.name == "consistent")
    assert (consistent.first or 0) < (consistent.last or 0)
    assert queries.components(connection, SFT, limits_of(connection, SFT)) == []


def test_components_leave_out_what_a_later_attempt_undid(own_chain: Any) -> None:
    last = Size.rl_steps - 1
    of_last = f"run_id = '{RL}' AND step = {last}"
    engine = open_database(
        own_chain(
            f"UPDATE rollouts SET attempt = 1 WHERE {of_last}",
            f'UPDATE generations SET attempt = 1 WHERE {of_last} AND "index" = 0',
            "UPDATE reward_components SET value = 1000 WHERE generation_id IN "
            f"(SELECT id FROM generations WHERE {of_last} AND attempt = 0)",
        )
    )
    with engine.connect() as connection:
        found = queries.components(connection, RL, {0: last, 1: NO_LIMIT})
    engine.dispose()
    assert {c.name for c in found} == set(REWARDS)
    assert all(c.last is not None and c.last < 1000 / Size.completions for c in found)


def test_scores_are_by_prompt_and_answers_have_their_texts(connection: Connection) -> None:
    [scores] = queries.model_scores(connection, RL_EVAL)
    assert set(scores.scores) == {"correct", "in_dictionary"}
    assert len(scores.scores["correct"]) == len(scores.prompts) == Size.prompts
    answers = queries.answers(connection, RL_EVAL, "", ["h1", "h2"])
    assert answers["h1"].expected == "word1"
    assert answers["h1"].prompt == "Held-out board 1: which word?"


def test_events_that_tell_nothing_are_counted_only(connection: Connection) -> None:
    told = queries.told_events(connection, CHAIN)
    assert [(event.kind, event.level) for event in told] == [
        ("state", "info"), ("guard", "warning"), ("oom", "warning"),
    ]  # fmt: skip
    assert queries.event_counts(connection, CHAIN)["checkpoint", "info"] == 1
    assert [event.kind for event in queries.told_events(connection, CHAIN, limit=1)] == ["oom"]


def test_checkpoints_come_the_oldest_first(connection: Connection) -> None:
    found = queries.checkpoints(connection, SFT)
    assert [(c.step, c.is_final) for c in found] == [(40, False), (80, True)]
    assert [c.step for c in queries.checkpoints(connection, SFT, limit=1)] == [80]
