"""Reading an answer, and the four rewards for it.

The weights stand in the configuration (`rl.reward_weights`). A reward reads what the model wrote,
so any text is a legal input and scores 0; anything else that goes wrong raises.
"""

import re
from collections.abc import Callable, Collection
from typing import Any

from tenyson.examples.wordle.game import is_consistent, mark_agreement, parse_history

AGREEMENT_POWER = 6
"""Plain agreement pays for compromise words, which agree with most marks of any history."""

Completion = str | list[dict[str, str]]
Reward = Callable[..., Any]

_ANSWER = re.compile(r"<guess>\s*([a-z]{5})\s*</guess>\s*\Z")


def read_guess(completion: Completion) -> str | None:
    """Returns the word in the answer's one `<guess>` tag, which must end it; None without one.

    `<guess>crane</guess>` gives `crane`. Thinking before the tag is allowed; a second tag is not,
    nor a word of another length.
    """
    text = text_of(completion).rpartition("</think>")[2]
    found = _ANSWER.search(text.lower())
    return found[1] if found and text.count("<guess>") == 1 else None


def text_of(completion: Completion) -> str:
    """Returns the text of a completion: itself, or the content of its messages."""
    if isinstance(completion, str):
        return completion
    return "".join(message["content"] for message in completion)


def make_rewards(words: Collection[str]) -> list[Reward]:
    """Returns the reward functions, for TRL: `(completions, history, **columns)` to numbers.

    `history` is the data set's column: `crane:XYGXX,stool:GXXXX` for each completion.
    """
    known = frozenset(words)

    def read_word(completion: Completion) -> str | None:
        guess = read_guess(completion)
        return guess if guess in known else None

    def format_reward(completions: list[Completion], **columns: Any) -> list[float]:
        """1 for an answer in the tag: `<guess>zzzzz</guess>` → 1, `crane` → 0."""
        return [float(read_guess(c) is not None) for c in completions]

    def dictionary_reward(completions: list[Completion], **columns: Any) -> list[float]:
        """1 for a word of the list: `<guess>crane</guess>` → 1, `<guess>zzzzz</guess>` → 0."""
        return [float(read_word(c) is not None) for c in completions]

    def marks_reward(
        completions: list[Completion], history: list[str], **columns: Any
    ) -> list[float]:
        """The share of marks agreed with, to a power: 4 of 5 → 0.26, 5 of 5 → 1."""
        words = [read_word(c) for c in completions]
        return [
            mark_agreement(word, parse_history(key)) ** AGREEMENT_POWER if word else 0.0
            for word, key in zip(words, history, strict=True)
        ]

    def consistency_reward(
        completions: list[Completion], history: list[str], **columns: Any
    ) -> list[float]:
        """1 for a word of the list that agrees with every mark."""
        words = [read_word(c) for c in completions]
        return [
            float(word is not None and is_consistent(word, parse_history(key)))
            for word, key in zip(words, history, strict=True)
        ]

    return [format_reward, dictionary_reward, marks_reward, consistency_reward]
