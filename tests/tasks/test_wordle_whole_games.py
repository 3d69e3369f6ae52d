"""Whole games of six guesses: the environment, its rewards and metrics, and training on them."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenyson.config import parse_config
from tenyson.contract import File, JobType
from tenyson.examples.wordle import base_model
from tenyson.examples.wordle.environment import GUESSES, WordleGame
from tenyson.examples.wordle.game import default_words, is_held_out
from tenyson.examples.wordle.game_model import GameRecipe, training_secrets
from tenyson.examples.wordle.game_rewards import GAME_REWARDS, WEIGHTS, game_metrics
from tenyson.examples.wordle.wordle_task import WordleTask
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.rl import RLJob

WORDS = default_words()
CONFIG = resources.files("tenyson.examples.wordle").joinpath("configs/rl_game_config.yaml")


def playing(secret: str, form: Any = "compact") -> WordleGame:
    game = WordleGame(WORDS, form)
    game.reset({"secret": secret})
    return game


def tagged(word: str) -> str:
    return f"<guess>{word}</guess>"


def test_a_game_shows_the_marks_until_the_secret_is_guessed() -> None:
    game = playing("grand")

    first = ("|cXrGaGnGeX|>", False)
    assert game.step(tagged("crane"))[:2] == first
    observation, is_over, info = game.step(tagged("grand"))

    assert is_over
    assert observation == "|gGrGaGnGdG|>"
    assert info["won"]
    assert info["guesses"] == 2


@pytest.mark.parametrize("text", ["", "grand", tagged("zzzzz"), "<guess>grand", tagged("gr")])
def test_what_is_no_word_of_the_list_costs_a_guess_and_has_no_marks(text: str) -> None:
    observation, is_over, info = playing("grand").step(text)

    assert (observation, is_over) == ("|>", False)
    assert info == {"won": False, "guesses": 1, "valid_share": 0.0, "consistent_share": 0.0}
    assert "no word of the list" in playing("grand", "chat").step(text)[0]


def test_a_game_ends_after_six_guesses_and_the_next_one_knows_nothing_of_it() -> None:
    game = playing("grand")
    wrong = [word for word in WORDS if word != "grand"][:GUESSES]

    ends = [game.step(tagged(word))[1] for word in wrong]
    game.reset({"secret": wrong[0]})

    assert ends == [False] * 5 + [True]
    _, _, info = game.step(tagged(wrong[0]))
    assert info == {"won": True, "guesses": 1, "valid_share": 1.0, "consistent_share": 1.0}


def test_a_guess_against_the_marks_is_not_consistent() -> None:
    game = playing("grand")
    game.step(tagged("crane"))

    assert game.step(tagged("crane"))[2]["consistent_share"] == 0.5


def test_a_won_game_earns_more_than_a_lost_one_and_a_quick_one_more_than_a_slow_one() -> None:
    def earned(**info: Any) -> float:
        game = {"won": True, "guesses": 3, "valid_share": 1.0, "consistent_share": 1.0, **info}
        return sum(w * f(info=[game])[0] for w, f in zip(WEIGHTS, GAME_REWARDS, strict=True))

    assert earned() > earned(guesses=5) > earned(won=False, guesses=6)
    assert earned() > earned(consistent_share=0.5)


def test_metrics_play_the_transcript_again() -> None:
    transcript = f"{tagged('crane')}|cXrYaGnGeX|>{tagged('zzzzz')}|>{tagged('grand')}"
    lost = tagged("crane") * 9

    scored = game_metrics([transcript, lost, ""], ["grand", "grand", "grand"], WORDS)

    assert scored["metrics"]["win_rate"] == pytest.approx(1 / 3)
    assert scored["metrics"]["trained_win_rate"] == scored["metrics"]["win_rate"]
    assert scored["metrics"]["guesses"] == 5
    assert [row["guesses"] for row in scored["detailed_results"]] == [3, 6, 6]
    assert scored["detailed_results"][0]["valid_share"] == pytest.approx(2 / 3)


def test_of_guesses_fewer_are_better_and_of_nothing_else() -> None:
    config = parse_config(yaml.safe_load(CONFIG.read_text("utf-8")), JobType.RL).model_dump()
    one_guess = {**config, "task": {**config["task"], "game": False}}

    assert list(WordleTask().get_lower_is_better(config)) == ["guesses"]
    assert list(WordleTask().get_lower_is_better(one_guess)) == []


def test_no_game_is_trained_on_a_held_out_secret() -> None:
    config = parse_config(yaml.safe_load(CONFIG.read_text("utf-8")), JobType.RL).model_dump()
    task = WordleTask()

    trained = {row["secret"] for row in task.get_rl_dataset(config)}
    asked = {row["secret"] for row in task.get_eval_dataset(config)}

    assert trained <= set(training_secrets(WORDS))
    assert asked == set(WORDS)
    assert not any(map(is_held_out, trained))
    assert sum(map(is_held_out, WORDS)) >= 10


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of games that has seen a few only: made in seconds."""
    recipe = GameRecipe(
        words=WORDS, max_turns=0, seed=0, steps=60, layers=1, hidden=64, intermediate=128,
        warmup_steps=5, learning_rate=0.01,
    )  # fmt: skip
    return str(base_model._cached(recipe, tmp_path_factory.mktemp("cache")))


@pytest.mark.train
def test_an_evaluation_plays_whole_games_and_a_stopped_one_goes_on(
    small_model: str, tmp_path: Path
) -> None:
    config = {
        "model": {"name": small_model},
        "evaluation": {
            "max_new_tokens": 9,
            "temperature": 1.0,
            "num_samples": 3,
            "include_greedy": True,
            "batch_size": 8,
        },
        "task": {"game": True, "eval_rows": 20},
    }

    whole = EvalJob(config, WordleTask(), output_dir=tmp_path / "whole").run()
    answers = (tmp_path / "whole" / File.EVAL_SAMPLES).read_text().splitlines()
    first = json.loads(answers[0])["answers"]
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / File.EVAL_SAMPLES).write_text("\n".join(answers[:11]) + "\n")
    resumed = EvalJob(config, WordleTask(), output_dir=tmp_path / "parts").run()

    assert len(answers) == 20
    assert len(first) == 4
    assert all("|" in answer["text"] for answer in first)  # the environment's part
    assert whole.metrics["guesses"] > 1
    assert 0 <= whole.metrics["win_rate"] <= 1
    assert resumed.resumed_from_step == 11
    assert resumed.metrics == whole.metrics


@pytest.mark.train
def test_grpo_plays_and_trains_on_whole_games(small_model: str, tmp_path: Path) -> None:
    content = yaml.safe_load(CONFIG.read_text("utf-8"))
    content["model"]["name"] = small_model
    content["training"] |= {"max_steps": 3, "per_device_train_batch_size": 16, "logging_steps": 1}
    content["checkpoint"] = {"every_seconds": None}

    result = RLJob(content, WordleTask(), output_dir=tmp_path).run()

    assert result.status == "success"
    rows = [json.loads(line) for line in (tmp_path / File.METRICS).read_text().splitlines()]
    assert len(rows) == 3
    for row in rows:
        assert 1.0 <= row["episodes/turns"] <= GUESSES
        assert row["rewards/won_reward/mean"] == pytest.approx(row["episodes/won"])
        assert row["rewards/valid_reward/mean"] == pytest.approx(row["episodes/valid_share"])
    assert sum(row["grad_norm"] for row in rows) > 0
