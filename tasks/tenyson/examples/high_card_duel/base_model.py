"""The base model of the CPU demo: two layers with random weights, and a token for each card.

It knows nothing; SFT on two thousand duels trains all of it in some seconds.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tenyson.datasets.store import cache_folder
from tenyson.errors import TaskError
from tenyson.examples.high_card_duel.game import CARDS, RANKS, RESULTS, answer_to, prompt_of

NAME = "tiny"
_PIECES = r"<eos>|[2-9TJQKA][SHDC]\b|[A-Za-z]+|."
_SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")
_VERSION = 1
"""Raised when the code below changes what comes out."""


def ensure_base_model(name: str) -> Path:
    """Returns the folder of the model, made where there is none.

    Raises:
        TaskError: There is no model of this name.
    """
    if name != NAME:
        raise TaskError(
            f"The High Card Duel task has no model {name!r}.",
            hint=f"Set model.name to task:{NAME}.",
        )
    folder = cache_folder() / "high_card_duel" / f"base-{_VERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _make(aside)
        aside.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first, with the same weights
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def make_tokenizer() -> Any:
    """Returns the tokenizer: cards, words and marks are tokens; it adds none to a text."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    duel = ("AS", "KH")
    words = re.findall(r"[A-Za-z]+|[^A-Za-z]", prompt_of(duel) + answer_to(duel))
    tokens = dict.fromkeys((*_SPECIAL_TOKENS, *CARDS, *RANKS, *RESULTS, *words))
    tokenizer = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"{_PIECES}|\n"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
    )


def _make(folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    logging.disable_progress_bar()  # of writing one file
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    os.chmod(folder, 0o755)
