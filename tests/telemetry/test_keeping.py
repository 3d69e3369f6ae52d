"""Which texts are kept, and what a task takes out of them."""

from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.telemetry import Completion, EvalSample, PromptGroup, Retention

SQLITE = pytest.mark.parametrize("target", ["sqlite"], indirect=True)


def group(index: int, *totals: float | None) -> PromptGroup:
    said = [Completion(f"{index}.{i}", {"exact": t}, t, 3) for i, t in enumerate(totals)]
    return PromptGroup(index, f"question {index}", said)


def kept(retention: Retention, step: int, groups: list[PromptGroup]) -> list[int]:
    left = retention.apply(step, groups)
    texts = {g.index: {c.text is not None for c in g.completions} for g in left}
    assert all(len(kinds) == 1 for kinds in texts.values())
    return [index for index, kinds in texts.items() if kinds == {True}]


MIXED = [
    *(group(0, 0.0, 1.0), group(1, 1.0, 2.0), group(2, 0.0, 0.5)),
    *(group(3, 0.7, 0.7), group(4, None, None), group(5, None, 0.4)),
]


def test_all_texts_are_kept_by_default() -> None:
    assert kept(Retention(), 3, MIXED) == [0, 1, 2, 3, 4, 5]


def test_extremes_are_the_best_the_worst_and_those_that_teach_nothing() -> None:
    assert kept(Retention("extremes"), 3, MIXED) == [1, 2, 3, 5]
    assert kept(Retention("extremes"), 3, [group(0, None)]) == []


def test_one_group_in_k_is_kept_and_every_place_has_its_turn() -> None:
    retention = Retention("every_k", 4)
    turns = [kept(retention, step, MIXED) for step in range(4)]
    assert turns == [[0, 4], [3], [2], [1, 5]]
    assert kept(retention, 0, MIXED) == turns[0]  # a step done again keeps the same ones


def test_numbers_stay_where_texts_are_not_kept(target: Any, open_run: Any) -> None:
    telemetry = open_run(retention=Retention("extremes"))
    telemetry.record_rollouts(3, MIXED)
    telemetry.record_eval_samples([EvalSample("r", "p", "answer")])
    telemetry.close()
    rollouts = {row["id"]: row for row in target.rows("rollouts")}
    assert {row["prompt"] for row in rollouts.values()} == {f"question {i}" for i in range(6)}
    generations = [g for g in target.rows("generations") if g["phase"] == "rl"]
    texts = {(rollouts[g["rollout_id"]]["group_index"], g["index"]): g for g in generations}
    assert texts[0, 1]["completion"] is None
    assert (texts[0, 1]["reward"], texts[0, 1]["tokens"]) == (1.0, 3)
    assert texts[1, 1]["completion"] == "1.1"
    assert len(target.rows("reward_components")) == 12
    assert [g["completion"] for g in target.rows("generations") if g["phase"] == "eval"] == [
        "answer"
    ]


@pytest.mark.parametrize("is_away", [False, True])
def test_what_a_task_takes_out_never_leaves_the_process(
    target: Any, open_run: Any, spool_path: Any, is_away: bool
) -> None:
    url = "postgresql://u:p@127.0.0.1:9/none" if is_away else None
    telemetry = open_run(url=url, redact=lambda text: text.replace("secret", "***"))
    completion = Completion("a secret", {"r": 1.0}, 1.0, extras={"tool": ["secret", 1]})
    telemetry.record_rollouts(1, [PromptGroup(0, "the secret?", [completion])])
    telemetry.record_eval_samples(
        [EvalSample("r", "secret?", "secret!", scores={"said": "secret"}, expected_answer="secret")]
    )
    telemetry.close()
    if is_away:
        assert "secret" not in spool_path.read_text()
        assert spool_path.read_text().count("***") == 7
        return
    tables = ("rollouts", "generations", "eval_samples")
    stored = str([row for table in tables for row in target.rows(table)])
    assert "secret" not in stored
    assert stored.count("***") == 7


@SQLITE
def test_a_redaction_that_fails_ends_the_run_and_stores_nothing(target: Any, open_run: Any) -> None:
    def redact(text: str) -> str:
        raise TaskError("redact raised KeyError: 'name'")

    telemetry = open_run(redact=redact)
    with pytest.raises(TaskError, match="redact raised"):
        telemetry.record_rollouts(1, MIXED)
    assert telemetry.close() == {"written": 0, "spooled": 0}
