"""The rules of Wordle, and the positions that prompts are made of; pure, without a model.

A mark is one letter: `G` right letter in the right place, `Y` in the word but elsewhere, `X` not in
the word (or not once more). A history is what has been guessed so far, with its marks.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

HELD_OUT_SHARE = 10
"""One history in this many is never trained on."""

Turn = tuple[str, str]
"""A guess and its marks, as in `("crane", "XYGXX")`."""
History = tuple[Turn, ...]


@dataclass(frozen=True)
class Position:
    """A game after its first guesses."""

    history: History
    secret: str

    @property
    def key(self) -> str:
        """The history as text, `crane:XYGXX,stool:GXXXX`: what the held-out split is made by."""
        return history_key(self.history)


@cache
def default_words() -> tuple[str, ...]:
    """Returns the example's own word list, sorted."""
    text = resources.files(__package__).joinpath("words.txt").read_text(encoding="utf-8")
    return tuple(text.split())


@lru_cache(maxsize=2**18)
def marks(secret: str, guess: str) -> str:
    """Returns the marks that the guess gets, as in `marks("piano", "pasta") == "GYXXX"`.

    A letter guessed twice and present once is marked once: right places first, then from the left.
    """
    unmatched = [s for s, g in zip(secret, guess, strict=True) if s != g]
    result = []
    for s, g in zip(secret, guess, strict=True):
        if s == g:
            result.append("G")
        elif g in unmatched:
            unmatched.remove(g)
            result.append("Y")
        else:
            result.append("X")
    return "".join(result)


def is_consistent(word: str, history: Sequence[Turn]) -> bool:
    """Whether the word could be the secret: as the secret it would have given all these marks."""
    return all(marks(word, guess) == given for guess, given in history)


def mark_agreement(word: str, history: Sequence[Turn]) -> float:
    """Returns the share of given marks, 0 to 1, that the word as the secret would give as well."""
    pairs = [
        (would_be, given)
        for guess, turn_marks in history
        for would_be, given in zip(marks(word, guess), turn_marks, strict=True)
    ]
    return sum(would_be == given for would_be, given in pairs) / len(pairs)


def candidates(words: Sequence[str], history: Sequence[Turn]) -> list[str]:
    """Returns the words that could be the secret, in the list's order."""
    return [word for word in words if is_consistent(word, history)]


def history_key(history: Sequence[Turn]) -> str:
    """Returns the history as text, `crane:XYGXX,stool:GXXXX`."""
    return ",".join(f"{guess}:{given}" for guess, given in history)


def parse_history(key: str) -> History:
    """Returns the history that `history_key` made the text of."""
    turns = (turn.split(":") for turn in key.split(","))
    return tuple((guess, given) for guess, given in turns)


def is_held_out(key: str) -> bool:
    """Whether the history belongs to the evaluation; the same on every machine and for any seed."""
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:8], "big") % HELD_OUT_SHARE == 0


def training_positions(
    words: Sequence[str], count: int, *, max_turns: int, rng: random.Random
) -> list[Position]:
    """Returns positions of random games, none of them held out; some may come twice.

    Args:
        words: What secrets and guesses are drawn from.
        count: How many.
        max_turns: Guesses made so far are 1 to this many, each number as often.
        rng: Where chance comes from.
    """
    drawn: list[Position] = []
    while len(drawn) < count:
        position = _random_position(words, max_turns, rng)
        if not is_held_out(position.key):
            drawn.append(position)
    return drawn


def held_out_positions(
    words: Sequence[str], count: int, *, max_turns: int, rng: random.Random
) -> list[Position]:
    """Returns as many different positions that no training data holds."""
    drawn: dict[str, Position] = {}
    while len(drawn) < count:
        position = _random_position(words, max_turns, rng)
        if is_held_out(position.key):
            drawn.setdefault(position.key, position)
    return list(drawn.values())


def _random_position(words: Sequence[str], max_turns: int, rng: random.Random) -> Position:
    turns = rng.randint(1, max_turns)
    secret, *guesses = rng.sample(words, turns + 1)
    return Position(tuple((guess, marks(secret, guess)) for guess in guesses), secret)
