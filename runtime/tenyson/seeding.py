"""One seed for every random source, and seeds derived from it for places of their own."""

import hashlib
import os
import random


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy, torch (CPU and GPU) and the processes that this one starts."""
    import numpy
    import torch

    # Read at interpreter start, so it holds for data-loading processes, not for this one.
    os.environ.setdefault("PYTHONHASHSEED", str(seed))
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def derive_seed(seed: int, *parts: object) -> int:
    """Returns a 63-bit seed for one place in a run; the same parts give the same seed anywhere."""
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
