"""High Card Duel: two players show a card each, and the higher rank wins; suits do not count.

Of the 2 652 duels, each an ordered pair of cards, about a tenth is never in training data: those
whose SHA-256 is divisible by 10. They are the evaluation, the same on every machine.
"""

import hashlib
import itertools

RANKS = "23456789TJQKA"
SUITS = "SHDC"
CARDS = tuple(rank + suit for rank in RANKS for suit in SUITS)
RESULTS = ("win", "loss", "tie")

Duel = tuple[str, str]
"""My card and the opponent's, `("AS", "KH")`."""


def all_duels() -> list[Duel]:
    """Returns every duel, in a fixed order."""
    return list(itertools.permutations(CARDS, 2))


def is_held_out(duel: Duel) -> bool:
    """Whether the duel is for evaluation alone."""
    return int(hashlib.sha256("".join(duel).encode()).hexdigest(), 16) % 10 == 0


def result_of(duel: Duel) -> str:
    """Returns `win`, `loss` or `tie`, as I see it."""
    mine, theirs = (RANKS.index(card[0]) for card in duel)
    return "win" if mine > theirs else "loss" if mine < theirs else "tie"


def prompt_of(duel: Duel) -> str:
    """Returns the question."""
    return f"High Card Duel: I hold {duel[0]}, my opponent shows {duel[1]}. Do I win?"


def answer_to(duel: Duel) -> str:
    """Returns the answer with its reason, as training data have it."""
    return f"Reasoning:\n1. {duel[0][0]} against {duel[1][0]}\nAnswer: {result_of(duel)}"


def read_answer(text: str) -> str | None:
    """Returns the result that an answer ends with; None where it has none."""
    _, found, answer = text.rpartition("Answer:")
    return answer.strip() if found and answer.strip() in RESULTS else None
