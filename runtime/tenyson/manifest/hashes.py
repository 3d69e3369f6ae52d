"""Hashes of what a run was made of, the same on every machine."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tenyson.files import sha256_of_file

HASHED_MODEL_BYTES = 4 * 2**30
"""Weights up to this size are hashed whole, of larger ones each file's size and spread blocks."""
BLOCKS, BLOCK_BYTES = 64, 2**20
"""Of a file that is not read whole: every tensor of a training's result is another, so that these
are enough to tell it from the one before."""


def sha256_of_json(content: Any) -> str:
    """Returns a hash that does not depend on the order of keys."""
    return sha256_of_text(json.dumps(content, sort_keys=True, default=str))


def sha256_of_text(text: str) -> str:
    """Returns the text's SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def weights_of_folder(folder: Path) -> dict[str, Any]:
    """Returns what identifies the weights in a folder: a hash, and what it covers."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin"))
    by_content = sum(path.stat().st_size for path in files) <= HASHED_MODEL_BYTES
    sha256 = sha256_of_file if by_content else sha256_of_blocks
    listing = [(path.name, sha256(path)) for path in files]
    covers = "content" if by_content else f"size and {BLOCKS} blocks of 1 MiB of each file"
    return {"weights_sha256": sha256_of_json(listing), "weights_hash_covers": covers}


def sha256_of_blocks(path: Path) -> str:
    """Returns the SHA-256 of a file's size and of blocks from its start to its end."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    last = max(0, size - BLOCK_BYTES)
    with open(path, "rb") as file:
        for start in sorted({last * block // (BLOCKS - 1) for block in range(BLOCKS)}):
            file.seek(start)
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def tokenizer_facts(tokenizer: Any) -> dict[str, Any]:
    """Returns what identifies a tokenizer: the hashes of what it does and of its chat template.

    Args:
        tokenizer: Of transformers, with a fast backend or without.
    """
    if (backend := getattr(tokenizer, "backend_tokenizer", None)) is not None:
        rules = json.loads(backend.to_str())
        for setting in ("padding", "truncation"):  # whoever called it last has left these
            rules.pop(setting, None)
    else:
        rules = tokenizer.get_vocab()
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    template = getattr(tokenizer, "chat_template", None)
    return {
        "sha256": sha256_of_json([rules, special]),
        "chat_template_sha256": None if template is None else sha256_of_json(template),
        "vocabulary": len(tokenizer),
    }
