"""The tiny model's tokenizer, made in code: one token per letter, and per letter with its mark.

A plain character tokenizer makes the model find out which mark belongs to which letter before it
can learn anything else. With `sX`, `rY`, `aG` as single tokens the text still is readable.
"""

import string
from typing import Any

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")
TAGS = ("<guess>", "</guess>")
LETTERS = tuple(string.ascii_lowercase)
MARKED_LETTERS = tuple(letter + mark for letter in LETTERS for mark in "GYX")
VOCABULARY = (*SPECIAL_TOKENS, *LETTERS, *MARKED_LETTERS, "|", ">", *TAGS)

_PIECES = "</?guess>|[a-z][GYX]|."


def make_tokenizer() -> Any:
    """Returns the tokenizer; it adds no token of its own to a text, and pads on the left."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {token: number for number, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
    )
