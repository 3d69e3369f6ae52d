"""The tiny base model of whole games, `task:tiny-game`.

It has seen transcripts of games whose player guesses well only now and then, and imitates him: it
answers in the tag and loses most games, and RL has something to find.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenyson.examples.wordle.base_model import Recipe, Text
from tenyson.examples.wordle.environment import GUESSES, opening, shown
from tenyson.examples.wordle.game import Turn, candidates, is_held_out, marks


@dataclass(frozen=True)
class GameRecipe(Recipe):
    """Everything that the model of whole games follows from."""

    steps: int = 800
    batch_size: int = 32
    consistent_share: float = 0.5
    """Share of the player's guesses that agree with all marks; the others are any word."""

    @property
    def context_length(self) -> int:
        """Tokens that the model can see: a game takes 90."""
        return 128

    def batches(self) -> Iterator[list[Text]]:
        """Yields the transcripts of each step; the loss is on the guesses alone."""
        rng = random.Random(f"wordle games {self.seed}")
        secrets = training_secrets(self.words)
        for _ in range(self.steps):
            yield [self._game(rng.choice(secrets), rng) for _ in range(self.batch_size)]

    def _game(self, secret: str, rng: random.Random) -> Text:
        history: list[Turn] = []
        text: Text = [(str(opening("compact", ())), False)]
        for _ in range(GUESSES):
            is_good = rng.random() < self.consistent_share
            guess = rng.choice(candidates(self.words, history) if is_good else self.words)
            history.append((guess, marks(secret, guess)))
            text += [(f"<guess>{guess}</guess><eos>", True), (shown(history[-1], "compact"), False)]
            if guess == secret:
                break
        return text[:-1]


def training_secrets(words: Sequence[str]) -> list[str]:
    """Returns the words that games are trained on; all may be guessed."""
    return [word for word in words if not is_held_out(word)]
