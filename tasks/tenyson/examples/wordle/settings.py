"""The task's own section of the configuration, `task:`, checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenyson.errors import ConfigError, Problem
from tenyson.examples.wordle.game import default_words
from tenyson.examples.wordle.prompts import Format

Rows = Annotated[int, Field(ge=1, le=10_000_000)]


class WordleSettings(BaseModel):
    """What `task:` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    words: str = "default"
    """`default`, or a text file of five-letter words, one a line."""
    format: Format = "compact"
    """`compact` for the tiny model, `chat` for instruction-tuned ones."""
    game: bool = False
    """Whether RL and Eval play whole games of six guesses, not the next guess alone."""
    max_turns: Annotated[int, Field(ge=1, le=5)] = 2
    """Guesses made so far: 1 to this many."""
    consistent_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of SFT answers that agree with all marks; the others are any word of the list."""
    sft_rows: Rows = 6400
    """SFT examples."""
    sft_eval_rows: Rows = 256
    """Held-out SFT examples, for the loss in training."""
    rl_rows: Rows = 4000
    """RL prompts."""
    eval_rows: Rows = 512
    """Held-out prompts of an Eval job."""
    base_seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seeds the tiny base model, where `model.name` asks for it."""

    @property
    def word_list(self) -> tuple[str, ...]:
        """The words themselves, sorted."""
        return default_words() if self.words == "default" else _words_of_file(Path(self.words))


def settings_of(config: Mapping[str, Any]) -> WordleSettings:
    """Returns the task's settings out of the whole configuration.

    Raises:
        ConfigError: Names every key that is unknown or has a value that is not allowed.
    """
    try:
        return WordleSettings.model_validate(config.get("task") or {})
    except ValidationError as error:
        problems = [
            Problem(".".join(["task", *map(str, e["loc"])]), e["msg"]) for e in error.errors()
        ]
        known = ", ".join(WordleSettings.model_fields)
        raise ConfigError(problems, hint=f"The Wordle task knows: {known}.") from error


def _words_of_file(path: Path) -> tuple[str, ...]:
    try:
        words = sorted(set(path.read_text(encoding="utf-8").split()))
    except OSError as error:
        raise ConfigError([Problem("task.words", f"{path}: {error.strerror}")]) from error
    odd = [word for word in words if not (len(word) == 5 and word.isascii() and word.islower())]
    if odd or len(words) < 10:
        raise ConfigError(
            [Problem("task.words", f"{path}: {len(words)} words, of them unusable: {odd[:5]}")],
            hint="Give at least 10 words of five lower-case letters, one a line.",
        )
    return tuple(words)
