"""The tiny base model: trained from scratch once, then found in the cache.

It stands for a pretrained model in the CPU demo. It has seen games and answers them with a bare
word; of the tag it has only seen that random words stand in it. So it can nearly do the task and
scores next to nothing, SFT can teach the answer's form in seconds, and RL has something to find.

`python -m tenyson.examples.wordle.base_model` prints the folder.
"""

import fcntl
import hashlib
import json
import math
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tenyson.contract import Env
from tenyson.errors import TaskError
from tenyson.examples.wordle.game import (
    History,
    candidates,
    default_words,
    training_positions,
)
from tenyson.examples.wordle.prompts import compact_prompt
from tenyson.files import sync_folder

NAME = "tiny"
GAME_NAME = "tiny-game"
Text = list[tuple[str, bool]]
"""A text in pieces, each with whether it is trained."""
USUAL_DURATION = "about a minute on 2 cores"
_TELL_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Recipe:
    """Everything that the base model follows from; its hash is the cache's key."""

    words: tuple[str, ...]
    max_turns: int
    seed: int
    layers: int = 2
    hidden: int = 128
    intermediate: int = 512
    heads: int = 4
    rope_theta: float = 100.0  # distances are under 32: faster rotations tell them apart sooner
    steps: int = 900
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 40
    weight_decay: float = 0.01
    tagged_share: float = 0.15
    """Share of texts whose answer is a random word in the tag; a model that never saw the tag
    tokens cannot be taught them by a low-rank adapter."""
    version: int = 1
    """Raised when the code below changes what comes out."""

    @property
    def key(self) -> str:
        """Names the recipe in the cache."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def context_length(self) -> int:
        """Tokens that the model can see."""
        return 64

    def batches(self) -> Iterator[list[Text]]:
        """Yields the texts of each step: a prompt, and an answer that is trained."""
        rng = random.Random(f"wordle base {self.seed}")
        for _ in range(self.steps):
            positions = training_positions(
                self.words, self.batch_size, max_turns=self.max_turns, rng=rng
            )
            yield [
                [(compact_prompt(p.history), False), (self._answer(p.history, rng) + "<eos>", True)]
                for p in positions
            ]

    def _answer(self, history: History, rng: random.Random) -> str:
        if rng.random() < self.tagged_share:
            return f"<guess>{rng.choice(self.words)}</guess>"
        return rng.choice(candidates(self.words, history))


def ensure_base_model(name: str, *, words: tuple[str, ...], max_turns: int, seed: int) -> Path:
    """Returns the folder of the model and its tokenizer, made now if it is not in the cache.

    The same recipe gives the same weights, bit for bit, on one machine; another number of threads
    or another processor adds in another order and differs in the last digits.

    Args:
        name: What follows `task:` in `model.name`: `tiny`, or `tiny-game` for whole games.
        words: The word list.
        max_turns: Guesses made so far in its games, at most.
        seed: Of weights and data.

    Raises:
        TaskError: There is no model of this name.
    """
    if name == NAME:
        return _cached(Recipe(words=words, max_turns=max_turns, seed=seed), cache_folder())
    if name == GAME_NAME:
        from tenyson.examples.wordle.game_model import GameRecipe  # it is made of this module

        return _cached(GameRecipe(words=words, max_turns=0, seed=seed), cache_folder())
    raise TaskError(
        f"The Wordle task has no model {name!r}.",
        hint=f"Set model.name to task:{NAME}, or task:{GAME_NAME} for whole games.",
    )


def cache_folder() -> Path:
    """Returns where base models are kept."""
    if chosen := os.environ.get(Env.CACHE_DIR):
        return Path(chosen) / "wordle"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tenyson" / "wordle"


def _cached(recipe: Recipe, cache: Path) -> Path:
    folder = cache / f"base-{recipe.key}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{folder.name}.lock"):
        if not folder.is_dir():  # else another process made it while this one waited
            _say(f"Making the tiny base model, {USUAL_DURATION}, once: {folder}")
            _make(recipe, folder)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock; the system lets go of it when the process ends, however it ends."""
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(recipe: Recipe, folder: Path) -> None:
    """Writes the folder aside and renames it: it is there whole or not at all."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)  # left by a process that was killed
    from transformers.utils import logging

    model, tokenizer = train_base(recipe)
    logging.disable_progress_bar()  # of writing one file
    model.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    (aside / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1), encoding="utf-8")
    for path in aside.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(aside)
    os.rename(aside, folder)
    sync_folder(folder.parent)


def train_base(recipe: Recipe) -> tuple[Any, Any]:
    """Returns the trained model and its tokenizer; leaves the process's random state as it was."""
    import torch

    from tenyson.examples.wordle.tokenizer import make_tokenizer

    tokenizer = make_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = _new_model(recipe, tokenizer)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        model.train()
        tell = _teller(recipe.steps)
        for step, texts in enumerate(recipe.batches()):
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(recipe, step)
            optimizer.zero_grad()
            model(**_tensors(texts, tokenizer)).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            tell(step + 1)
    return model.eval(), tokenizer


def _teller(steps: int) -> Callable[[int], None]:
    """Returns what says the step now and then: a busy machine takes many times the usual time."""
    told = time.monotonic()

    def tell(step: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_SECONDS:
            told = time.monotonic()
            _say(f"Base model: step {step}/{steps} ({100 * step // steps} %)")

    return tell


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _new_model(recipe: Recipe, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=128,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": recipe.rope_theta},
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up times a cosine down to 0."""
    warmup = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _tensors(texts: list[Text], tokenizer: Any) -> dict[str, Any]:
    """Returns a batch padded on the right, with the loss on the trained pieces alone."""
    import torch

    rows = [[tokenizer(piece)["input_ids"] for piece, _ in text] for text in texts]
    ids = [[token for piece in row for token in piece] for row in rows]
    labels = [
        [
            token if trained else -100
            for (_, trained), piece in zip(text, row, strict=True)
            for token in piece
        ]
        for text, row in zip(texts, rows, strict=True)
    ]
    width = max(map(len, ids))
    pad = tokenizer.pad_token_id
    return {
        "input_ids": torch.tensor([row + [pad] * (width - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids]),
        "labels": torch.tensor([row + [-100] * (width - len(row)) for row in labels]),
    }


if __name__ == "__main__":
    made = ensure_base_model(NAME, words=default_words(), max_turns=2, seed=0)
    sys.stdout.write(f"{made}\n")
