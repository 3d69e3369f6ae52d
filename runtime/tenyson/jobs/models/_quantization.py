"""`adapter.kind: qlora`: a base of 4 bits, under low-rank matrices that train."""

from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from tenyson.config import JobConfig
from tenyson.errors import ConfigError, DependencyError, Problem


def four_bits(config: JobConfig) -> Any:
    """Returns how transformers is to quantise the base; None where it is left whole.

    NF4 with quantised constants, computing in bfloat16.
    Source: Dettmers et al., QLoRA (2023), section 3.

    Raises:
        ConfigError: There is no GPU.
        DependencyError: bitsandbytes is not installed.
    """
    if config.adapter.kind != "qlora":
        return None
    if not torch.cuda.is_available():
        raise ConfigError(
            [Problem("adapter.kind", "qlora holds the base in 4 bits, which needs a GPU")],
            hint="Use lora, which trains the same matrices over the whole base, or run it where "
            "a GPU is visible.",
        )
    if find_spec("bitsandbytes") is None:
        raise DependencyError(
            "adapter.kind: qlora needs bitsandbytes, which is not installed.",
            hint='Install it beside the training libraries (pip install "bitsandbytes>=0.48"), or '
            "use adapter.kind: lora.",
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
