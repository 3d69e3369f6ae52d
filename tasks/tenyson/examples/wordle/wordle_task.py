"""WordleTask: guess a word that agrees with all marks so far.

One real row of the tiny model's data: prompt `|sXtXaGiXrY|>`, completion `<guess>grand</guess>`.
Evaluation asks about histories that no training row has (`game.is_held_out`), the same 512 in every
stage and for every seed.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenyson.examples.wordle.base_model import ensure_base_model
from tenyson.examples.wordle.environment import WordleGame, opening
from tenyson.examples.wordle.game import (
    Position,
    candidates,
    held_out_positions,
    is_consistent,
    mark_agreement,
    parse_history,
    training_positions,
)
from tenyson.examples.wordle.game_model import training_secrets
from tenyson.examples.wordle.game_rewards import GAME_REWARDS, WEIGHTS, game_metrics
from tenyson.examples.wordle.prompts import render_answer, render_prompt
from tenyson.examples.wordle.rewards import Reward, make_rewards, read_guess
from tenyson.examples.wordle.settings import WordleSettings, settings_of
from tenyson.task import TaskPlugin

if TYPE_CHECKING:
    from datasets import Dataset

HELD_OUT_SEED = 2024
"""Draws the evaluation; no setting changes it, so that any two runs can be compared row by row."""


class WordleTask(TaskPlugin):
    """The data, rewards and metrics of Wordle; its settings are `settings.WordleSettings`."""

    def get_sft_dataset(self, config: Mapping[str, Any], tokenizer: Any) -> "Dataset":
        """Returns positions with an answer each, consistent ones as often as the settings say."""
        settings = settings_of(config)
        rng = _rng(config, "sft")
        positions = training_positions(
            settings.word_list, settings.sft_rows, max_turns=settings.max_turns, rng=rng
        )
        return _sft_rows(positions, settings, rng)

    def get_sft_eval_dataset(self, config: Mapping[str, Any], tokenizer: Any) -> "Dataset":
        """Returns held-out positions with answers drawn in the same way."""
        settings = settings_of(config)
        rng = random.Random(HELD_OUT_SEED)
        positions = held_out_positions(
            settings.word_list, settings.sft_eval_rows, max_turns=settings.max_turns, rng=rng
        )
        return _sft_rows(positions, settings, rng)

    def get_sft_formatting_func(self, config: Mapping[str, Any], tokenizer: Any) -> None:
        """Returns None: rows have a prompt and a completion, and only the latter is trained."""

    def get_sft_data_collator(self, config: Mapping[str, Any], tokenizer: Any) -> None:
        """Returns None: TRL's collator already leaves the prompt out of the loss."""

    def get_rl_dataset(self, config: Mapping[str, Any]) -> "Dataset":
        """Returns prompts with their `history`, which the rewards read; for games, secrets."""
        settings = settings_of(config)
        if settings.game:
            secrets = training_secrets(settings.word_list)
            rng = _rng(config, "games")
            return _dataset([{"secret": rng.choice(secrets)} for _ in range(settings.rl_rows)])
        positions = training_positions(
            settings.word_list,
            settings.rl_rows,
            max_turns=settings.max_turns,
            rng=_rng(config, "rl"),
        )
        return _dataset([_prompt_row(position, settings) for position in positions])

    def get_reward_funcs(self, config: Mapping[str, Any], tokenizer: Any) -> list[Reward]:
        """Returns format, dictionary, marks and consistency; for games those of `game_rewards`."""
        settings = settings_of(config)
        return GAME_REWARDS if settings.game else make_rewards(settings.word_list)

    def get_reward_weights(self, config: Mapping[str, Any]) -> list[float] | None:
        """Returns the weights of a game's rewards; None for those of a guess."""
        return list(WEIGHTS) if settings_of(config).game else None

    def make_env(self, config: Mapping[str, Any]) -> WordleGame | None:
        """Returns a game to play; None where the next guess alone is asked for."""
        settings = settings_of(config)
        return WordleGame(settings.word_list, settings.format) if settings.game else None

    def get_eval_dataset(self, config: Mapping[str, Any]) -> "Dataset":
        """Returns the held-out prompts; a row's `id` is its history, for games any secret."""
        settings = settings_of(config)
        words = settings.word_list
        if settings.game:
            prompt = opening(settings.format, words)
            games = [{"id": word, "secret": word, "prompt": prompt} for word in words]
            return _dataset(games[: settings.eval_rows])
        positions = held_out_positions(
            words,
            settings.eval_rows,
            max_turns=settings.max_turns,
            rng=random.Random(HELD_OUT_SEED),
        )
        rows = [
            {
                "id": position.key,
                **_prompt_row(position, settings),
                "turns": len(position.history),
                "candidates": len(candidates(words, position.history)),
            }
            for position in positions
        ]
        return _dataset(rows)

    def get_lower_is_better(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns a game's guesses: who needs fewer plays better."""
        return ("guesses",) if settings_of(config).game else ()

    def compute_metrics(
        self,
        prompts: list[Any],
        completions: list[str],
        dataset_rows: list[dict[str, Any]],
        config: Mapping[str, Any],
        tokenizer: Any,
    ) -> dict[str, Any]:
        """Returns accuracy and what it is made of, and one row of 0s and 1s per completion.

        `accuracy` is the share of guesses in the dictionary that agree with all marks so far.
        `chance` is what a random word of the list would get on the same prompts. Of games it is the
        share won, and how their guesses were.
        """
        words = settings_of(config).word_list
        if settings_of(config).game:
            return game_metrics(completions, [row["secret"] for row in dataset_rows], words)
        details = [
            _score(completion, row, frozenset(words))
            for completion, row in zip(completions, dataset_rows, strict=True)
        ]
        metrics = {
            "accuracy": _mean([row["correct"] for row in details]),
            "format_rate": _mean([row["in_format"] for row in details]),
            "dictionary_rate": _mean([row["in_dictionary"] for row in details]),
            "mark_agreement": _mean([row["mark_agreement"] for row in details]),
            "chance": _mean([row["candidates"] / len(words) for row in dataset_rows]),
        }
        for turns in sorted({row["turns"] for row in dataset_rows}):
            group = [detail["correct"] for detail in details if detail["turns"] == turns]
            metrics[f"accuracy_after_{turns}"] = _mean(group)
        return {"metrics": metrics, "detailed_results": details}

    def get_base_model(self, config: Mapping[str, Any], name: str) -> Path:
        """Returns the folder of the tiny model (`task:tiny`), trained here when there is none."""
        settings = settings_of(config)
        return ensure_base_model(
            name,
            words=settings.word_list,
            max_turns=settings.max_turns,
            seed=settings.base_seed,
        )


def _rng(config: Mapping[str, Any], phase: str) -> random.Random:
    """Chance for one phase: SFT and RL of the same seed must not see the same positions."""
    return random.Random(f"wordle {phase} {config['training']['seed']}")


def _sft_rows(positions: list[Position], settings: WordleSettings, rng: random.Random) -> "Dataset":
    words = settings.word_list
    rows = []
    for position in positions:
        is_right = rng.random() < settings.consistent_share
        word = rng.choice(candidates(words, position.history) if is_right else words)
        prompt = render_prompt(position.history, settings.format, words)
        rows.append({"prompt": prompt, "completion": render_answer(word, settings.format)})
    return _dataset(rows)


def _prompt_row(position: Position, settings: WordleSettings) -> dict[str, Any]:
    prompt = render_prompt(position.history, settings.format, settings.word_list)
    return {"prompt": prompt, "history": position.key}


def _score(completion: str, row: dict[str, Any], words: frozenset[str]) -> dict[str, Any]:
    guess = read_guess(completion)
    word = guess if guess in words else None
    history = parse_history(row["history"])
    return {
        "id": row["id"],
        "guess": guess,
        "turns": row["turns"],
        "correct": int(word is not None and is_consistent(word, history)),
        "in_format": int(guess is not None),
        "in_dictionary": int(word is not None),
        "mark_agreement": mark_agreement(word, history) if word else 0.0,
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _dataset(rows: list[dict[str, Any]]) -> "Dataset":
    from datasets import Dataset  # late: loading a task must not load the training libraries

    return Dataset.from_list(rows)
