"""A data set of a run's best completions, from either database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env
from tenyson.datasets import DatasetRequestError, build_dataset, open_dataset
from tenyson.errors import DependencyError
from tenyson.telemetry import Completion, PromptGroup


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(Env.DATASETS, str(tmp_path / "store"))
    return tmp_path / "store"


def answer(text: str, reward: float | None, **more: Any) -> Completion:
    return Completion(text, {"exact": reward}, reward, **more)


@pytest.fixture
def run(open_run: Callable[..., Any]) -> None:
    """Two steps of a run, the first prompt in both of them, and another run."""
    telemetry = open_run("run-one")
    telemetry.record_rollouts(
        1,
        [
            PromptGroup(0, "1+1=", [answer("2", 1.0), answer("2", 1.0), answer("two", 0.8)]),
            PromptGroup(1, "2+2=", [answer("5", 0.0), answer("none", None)]),
        ],
    )
    telemetry.record_rollouts(
        2,
        [
            PromptGroup(
                0,
                "1+1=",
                [answer("it is 2", 0.9), answer("2, and then", 0.95, truncated=True)],
            ),
        ],
    )
    telemetry.close()
    other = open_run("run-two")
    other.record_rollouts(1, [PromptGroup(0, "1+1=", [answer("of another run", 9.0)])])
    other.close()


def built(target: Any, source: str, **wanted: Any) -> list[dict[str, Any]]:
    build_dataset("best", "v1", [source], db_url=target.url, **wanted)
    return list(open_dataset("best-v1").rows())


def texts(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["prompt"], row["completion"]) for row in rows]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {("1+1=", "2"), ("2+2=", "5")}),
        ("?best=2", {("1+1=", "2"), ("1+1=", "it is 2"), ("2+2=", "5")}),
        ("?best=9&min_reward=0.85", {("1+1=", "2"), ("1+1=", "it is 2")}),
        ("?best=9&max_reward=0.85", {("1+1=", "two"), ("2+2=", "5")}),
        ("?best=1&from_step=2", {("1+1=", "it is 2")}),
        ("?best=1&from_step=2&truncated=true", {("1+1=", "2, and then")}),
        ("?best=9&to_step=1&min_reward=0.9", {("1+1=", "2")}),
    ],
)
def test_the_best_different_completions_of_each_prompt_are_taken(
    target: Any, options: str, expected: set[tuple[str, str]]
) -> None:
    rows = built(target, f"telemetry:run-one{options}")

    assert set(texts(rows)) == expected
    assert len(rows) == len(expected)


@pytest.mark.usefixtures("run")
def test_a_row_says_what_it_came_from(target: Any) -> None:
    (row,) = built(target, "telemetry:run-one?min_reward=0.9")

    assert row["metadata"]["reward"] == 1.0
    assert (row["metadata"]["run_id"], row["metadata"]["step"]) == ("run-one", 1)
    facts = open_dataset("best-v1").manifest.sources[0]
    assert (facts["run_id"], facts["last_step"]) == ("run-one", 2)


@pytest.mark.usefixtures("run")
def test_prompts_become_conversations_on_request(target: Any) -> None:
    (row,) = built(target, "telemetry:run-one?min_reward=0.9&chat=true")

    assert row["prompt"] == [{"role": "user", "content": "1+1="}]
    assert row["completion"] == [{"role": "assistant", "content": "2"}]


def test_conversations_come_back_as_they_were(target: Any, open_run: Callable[..., Any]) -> None:
    prompt = '[{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1="}]'
    telemetry = open_run("run-chat")
    telemetry.record_rollouts(1, [PromptGroup(0, prompt, [answer("2 \x00", 1.0)])])
    telemetry.close()

    (row,) = built(target, "telemetry:run-chat")

    assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
    assert row["completion"] == [{"role": "assistant", "content": "2 \x00"}]


@pytest.mark.usefixtures("run")
def test_the_same_rows_are_found_twice(target: Any) -> None:
    source = ["telemetry:run-one?best=2"]
    first = build_dataset("best", "v1", source, db_url=target.url)
    again = build_dataset("best", "v1", source, db_url=target.url)

    assert not again.is_new
    assert again.manifest.build_id == first.manifest.build_id


@pytest.mark.usefixtures("run")
def test_a_run_is_found_by_the_beginning_of_its_id(target: Any) -> None:
    assert texts(built(target, "telemetry:run-t")) == [("1+1=", "of another run")]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run-", "'run-' names 2 runs: run-one, run-two"),
        ("rum-one", "No RL run 'rum-one' has left completions in this database. Did you mean "),
    ],
)
def test_a_run_that_is_not_there_is_answered_with_those_that_are(
    target: Any, name: str, said: str
) -> None:
    with pytest.raises(DatasetRequestError) as refusal:
        built(target, f"telemetry:{name}")

    assert said in str(refusal.value)


def test_a_database_without_tables_is_a_sentence(target: Any) -> None:
    with pytest.raises(DependencyError):
        built(target, "telemetry:run-one")
