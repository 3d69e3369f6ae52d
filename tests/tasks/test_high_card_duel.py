"""High Card Duel: the rules, the held-out duels, and the documents' chain from rows to a score."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tenyson.datasets import build_dataset
from tenyson.datasets.errors import DatasetRequestError
from tenyson.errors import ConfigError
from tenyson.examples.high_card_duel.game import (
    all_duels,
    answer_to,
    is_held_out,
    prompt_of,
    read_answer,
    result_of,
)
from tenyson.examples.high_card_duel.generator import generate
from tenyson.examples.high_card_duel.high_card_duel_task import HighCardDuelTask

TASK = "tenyson.examples.high_card_duel.high_card_duel_task:HighCardDuelTask"
CONFIGS = Path(__file__).parents[2] / "tasks/tenyson/examples/high_card_duel/configs"


@pytest.mark.parametrize(
    ("duel", "result"),
    [(("AS", "KH"), "win"), (("2S", "3H"), "loss"), (("TD", "TC"), "tie"), (("9C", "TD"), "loss")],
)
def test_the_higher_rank_wins_and_suits_do_not_count(duel: tuple[str, str], result: str) -> None:
    assert result_of(duel) == result


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (answer_to(("AS", "KH")), "win"),
        ("Answer: loss\nAnswer: tie\n", "tie"),
        ("Answer: perhaps", None),
        ("win", None),
        ("", None),
    ],
)
def test_an_answer_is_read_where_it_is_asked_for(text: str, answer: str | None) -> None:
    assert read_answer(text) == answer


def test_no_row_to_train_on_is_held_out_or_twice_there() -> None:
    possible = [duel for duel in all_duels() if not is_held_out(duel)]

    rows = list(generate(count=len(possible)))

    assert len({row["prompt"] for row in rows}) == len(possible)
    held_out = {prompt_of(duel) for duel in all_duels() if is_held_out(duel)}
    assert held_out.isdisjoint(row["prompt"] for row in rows)
    assert 0.08 < len(held_out) / len(all_duels()) < 0.12
    with pytest.raises(DatasetRequestError):
        list(generate(count=len(possible) + 1))


def test_rows_follow_from_the_seed_and_fewer_are_the_first_of_more() -> None:
    assert list(generate(5, seed=1)) == list(generate(9, seed=1))[:5]
    assert [row["prompt"] for row in generate(5, seed=1)] != [
        row["prompt"] for row in generate(5, seed=2)
    ]


def test_right_answers_score_1_and_wrong_ones_0() -> None:
    task = HighCardDuelTask()
    rows = task.get_eval_dataset({}).to_list()
    right = [f"Answer: {row['expected_answer']}" for row in rows]

    def accuracy(answers: list[str]) -> Any:
        return task.compute_metrics([], answers, rows, {}, None)["metrics"]["accuracy"]

    assert accuracy(right) == 1
    assert accuracy([answer.removeprefix("Answer: ") for answer in right]) == 0


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task\.cuont"):
        HighCardDuelTask().get_sft_dataset({"task": {"cuont": 3}}, None)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.train
def test_training_on_the_named_data_set_teaches_the_held_out_duels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson import runner

    monkeypatch.setenv(Env.DATASETS, str(tmp_path / "store"))
    monkeypatch.setenv(Env.CACHE_DIR, str(tmp_path / "cache"))
    monkeypatch.setenv(Env.RESULT_PATH, str(tmp_path / "message"))
    build_dataset("hcd_baseline", "v1", ["generator:high_card_duel?count=2000&seed=42"])

    def run(kind: str, name: str, *arguments: str) -> Path:
        folder = tmp_path / name
        config = ["--config", str(CONFIGS / f"{kind}_config.yaml"), *arguments]
        common = ["--job-type", kind, "--task-module", TASK, "--output-dir", str(folder)]
        assert runner.main([*common, *config]) == ExitCode.DONE
        return folder

    def accuracy(folder: Path) -> Any:
        results = json.loads((folder / File.RESULTS).read_text(encoding="utf-8"))
        return results["metrics"]["accuracy"]

    before = run("eval", "before")
    trained = run("sft", "run")
    after = run("eval", "after", "--set", f"model.name={trained / File.FINAL_CHECKPOINT}")

    assert accuracy(before) == 0
    assert accuracy(after) > 0.8  # 0.93 here; answering `win` always would get 0.47
