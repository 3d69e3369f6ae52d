"""The rewards for a whole game, read from what the environment said at its end, and its metrics."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from tenyson.examples.wordle.environment import GUESSES, WordleGame
from tenyson.examples.wordle.game import is_held_out
from tenyson.examples.wordle.rewards import Completion, Reward, text_of

Info = dict[str, Any]

WEIGHTS = (1.0, 0.5, 1.0, 0.2)
"""Of the functions below: winning alone says too little as long as hardly any game is won."""


def won_reward(info: list[Info], **columns: Any) -> list[float]:
    """1 for a game won."""
    return [float(game["won"]) for game in info]


def speed_reward(info: list[Info], **columns: Any) -> list[float]:
    """Share of the guesses that were left: the secret at once → 1, lost or with the last → 0."""
    return [(GUESSES - g["guesses"]) / (GUESSES - 1) if g["won"] else 0.0 for g in info]


def consistency_reward(info: list[Info], **columns: Any) -> list[float]:
    """Share of the guesses that agree with all marks before them."""
    return [float(game["consistent_share"]) for game in info]


def valid_reward(info: list[Info], **columns: Any) -> list[float]:
    """Share of the guesses that are words of the list, in the tag."""
    return [float(game["valid_share"]) for game in info]


GAME_REWARDS: list[Reward] = [won_reward, speed_reward, consistency_reward, valid_reward]

_GUESS = re.compile(r"<guess>.*?(?:</guess>|\Z)", re.DOTALL)


def game_metrics(
    completions: Sequence[Completion], secrets: Sequence[str], words: Collection[str]
) -> dict[str, Any]:
    """Returns the metrics of games by their transcripts, and one row of numbers a game.

    `win_rate` is over all secrets, `held_out_win_rate` over those that no game was trained on: a
    model may come to know which words are the secret without reading marks any better.
    """
    details = [
        {"id": secret, **_counted(replayed(text_of(completion), secret, words))}
        for completion, secret in zip(completions, secrets, strict=True)
    ]
    count = len(details)
    metrics = {
        "win_rate": sum(row["won"] for row in details) / count,
        "guesses": sum(row["guesses"] for row in details) / count,
        "consistent_share": sum(row["consistent_share"] for row in details) / count,
        "valid_share": sum(row["valid_share"] for row in details) / count,
    }
    for name, kept in (("held_out", True), ("trained", False)):
        games = [row for row in details if is_held_out(row["id"]) is kept]
        if games:
            metrics[f"{name}_win_rate"] = sum(row["won"] for row in games) / len(games)
    return {"metrics": metrics, "detailed_results": details}


def _counted(info: Info) -> Info:
    """Counts all guesses of a game that was not won: who falls silent early is no better for it."""
    return info if info["won"] else {**info, "guesses": GUESSES}


def replayed(transcript: str, secret: str, words: Collection[str]) -> Info:
    """Returns how the game of a transcript ended: its guesses, made once more."""
    game = WordleGame(tuple(words), "compact")
    game.reset({"secret": secret})
    info: Info = {"won": False, "guesses": 0, "valid_share": 0.0, "consistent_share": 0.0}
    for guess in _GUESS.findall(transcript)[:GUESSES]:
        _, is_over, info = game.step(guess)
        if is_over:
            break
    return {**info, "won": int(info["won"])}
