"""How a position is shown to a model, and the answer expected of it.

`compact` is for the tiny model, one token a mark: `|sXtXaGiXrY|>`. `chat` is for instruction-tuned
models: a system message with the rules and the list, and a user message with the guesses so far.
"""

from collections.abc import Sequence
from typing import Literal

from tenyson.examples.wordle.game import History

Format = Literal["compact", "chat"]
Messages = list[dict[str, str]]

_RULES = (
    "You play Wordle. The secret is one of these words: {words}.\n"
    "After each guess every letter is marked: G = right letter, right place; Y = in the word, "
    "another place; X = not in the word.\n"
    "Guess a word of the list that agrees with all marks so far. "
    "Answer with the word alone, as in <guess>crane</guess>."
)


_GAME_RULES = (
    "You play Wordle and have {guesses} guesses. The secret is one of these words: {words}.\n"
    "After each guess every letter is marked: G = right letter, right place; Y = in the word, "
    "another place; X = not in the word.\n"
    "Answer with your next guess alone, as in <guess>crane</guess>."
)


def game_rules(words: Sequence[str], guesses: int) -> str:
    """Returns what a chat model is told before a game."""
    return _GAME_RULES.format(words=" ".join(words), guesses=guesses)


def render_prompt(history: History, form: Format, words: Sequence[str]) -> str | Messages:
    """Returns the prompt for a position: text, or chat messages."""
    if form == "compact":
        return compact_prompt(history)
    return [
        {"role": "system", "content": _RULES.format(words=" ".join(words))},
        {"role": "user", "content": "Guesses so far:\n" + "\n".join(map(spaced, history))},
    ]


def render_answer(word: str, form: Format) -> str | Messages:
    """Returns the completion that answers with the word, in the prompt's form."""
    text = f"<guess>{word}</guess>"
    return text if form == "compact" else [{"role": "assistant", "content": text}]


def compact_prompt(history: History) -> str:
    """Returns `|sXtXaGiXrY|>`: every turn as long as the others, so that distances are fixed."""
    turns = ("".join(map("".join, zip(*turn, strict=True))) for turn in history)
    return "".join(f"|{turn}" for turn in turns) + "|>"


def spaced(turn: tuple[str, str]) -> str:
    """Returns `s=X l=Y a=G t=X e=X`: apart, so that each letter is a token of its own."""
    return " ".join(f"{letter}={mark}" for letter, mark in zip(*turn, strict=True))
