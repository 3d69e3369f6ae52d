"""WordleGame: a whole game, six guesses, played turn by turn.

A game of the tiny model, with what the environment says in bold letters of its own:

    |>  <guess>crane</guess>  |cXrYaGnXeX|>  <guess>grand</guess>  |gYrGaGnGdX|>  …

A chat model gets the marks as messages. Whatever else a model writes is a legal move that costs a
guess: a word that is not of the list has no marks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tenyson.examples.wordle.game import Turn, is_consistent, marks
from tenyson.examples.wordle.prompts import Format, Messages, compact_prompt, game_rules, spaced
from tenyson.examples.wordle.rewards import read_guess

GUESSES = 6
"""Guesses of a game."""


class WordleGame:
    """One game after the other; the row of each names its `secret`."""

    def __init__(self, words: Sequence[str], form: Format) -> None:
        """Takes the list that guesses are of, and how a game is shown."""
        self._words = tuple(words)
        self._known = frozenset(words)
        self._form = form
        self._secret = ""
        self._history: list[Turn] = []
        self._guesses = self._valid = self._consistent = 0

    def reset(self, row: Mapping[str, Any]) -> str | Messages:
        """Returns the prompt for the first guess."""
        self._secret = row["secret"]
        self._history = []
        self._guesses = self._valid = self._consistent = 0
        return opening(self._form, self._words)

    def step(self, text: str) -> tuple[str, bool, dict[str, Any]]:
        """Returns the marks, whether the game is over, and how it stands."""
        word = read_guess(text)
        self._guesses += 1
        if word not in self._known:
            return self._answer(None)
        self._valid += 1
        self._consistent += is_consistent(word, self._history)
        turn = (word, marks(self._secret, word))
        self._history.append(turn)
        return self._answer(turn)

    def _answer(self, turn: Turn | None) -> tuple[str, bool, dict[str, Any]]:
        is_won = turn is not None and turn[0] == self._secret
        info = {
            "won": is_won,
            "guesses": self._guesses,
            "valid_share": self._valid / self._guesses,
            "consistent_share": self._consistent / self._guesses,
        }
        return shown(turn, self._form), is_won or self._guesses == GUESSES, info


def opening(form: Format, words: Sequence[str]) -> str | Messages:
    """Returns the prompt of a game."""
    if form == "compact":
        return compact_prompt(())
    return [
        {"role": "system", "content": game_rules(words, GUESSES)},
        {"role": "user", "content": "Make your first guess."},
    ]


def shown(turn: Turn | None, form: Format) -> str:
    """Returns what a model sees of its guess; None stands for one that is no word of the list."""
    if form == "compact":
        return compact_prompt((turn,) if turn else ())
    return spaced(turn) if turn else "That is no word of the list, or not in the tag."
