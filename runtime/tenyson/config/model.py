"""The model that is trained or evaluated: the base, and the adapter on it."""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.config.section import Section, ShortString


class ModelConfig(Section):
    """The base model."""

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    """Hub name, local folder, or `task:NAME` for a model that the task itself provides."""
    revision: ShortString = "main"
    """Branch, tag or commit on the Hub; ignored for a folder or a task's model."""
    loader: Literal["transformers", "unsloth"] = "transformers"
    """What loads it; `unsloth` has kernels of its own, and needs a GPU and Unsloth installed."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Weights' type; auto is bfloat16 on a GPU that has it, else float32."""
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2"] | None = None
    """Attention kernel; None leaves the choice to transformers."""
    trust_remote_code: bool = False
    """Whether code from the model's repository may run."""


class AdapterConfig(Section):
    """The part of the model that is trained."""

    kind: Literal["lora", "qlora", "dora", "full"] = "lora"
    """`lora` trains low-rank matrices, `qlora` those over a base of 4 bits (needs a GPU and
    bitsandbytes), `dora` those with a magnitude of their own, `full` every weight."""
    r: Annotated[int, Field(ge=1, le=512)] = 16
    """Rank of the LoRA matrices."""
    alpha: Annotated[float, Field(gt=0, le=4096)] | None = None
    """LoRA scale, applied as alpha / r; None means 2 * r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the LoRA matrices."""
    target_modules: Annotated[list[ShortString], Field(min_length=1, max_length=64)] = [
        "all-linear"
    ]
    """Names of the layers that get LoRA matrices; `all-linear` alone means every linear layer."""
    modules_to_save: Annotated[list[ShortString], Field(max_length=64)] = []
    """Names of layers that are trained whole beside the matrices; vLLM cannot serve these."""
    path: ShortString | None = None
    """Adapter to start from: a folder, or a URI; None starts a new one (Eval: the base model)."""
