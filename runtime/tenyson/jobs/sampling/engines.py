"""Which engine samples, decided from facts alone: `hf` is transformers' generation, else vLLM.

RL and evaluation ask alike; what the two differ in stands in `Need`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tenyson.errors import ConfigError, Problem

EngineName = Literal["hf", "vllm"]

SMALL_MODEL = 50_000_000
"""Parameters below which starting vLLM takes longer than it saves."""
INSTALL_VLLM = "Install tenyson[vllm] in place of tenyson[train] (they pin different builds), "


class Need(StrEnum):
    """What an engine is asked for; the value is the section of the configuration."""

    RL = "rl"
    """To sample from weights that change with every step."""
    EVALUATION = "evaluation"
    """To generate from a base model and adapters that stay as they are."""


@dataclass(frozen=True)
class Choice:
    """An engine, and the sentence that says why it is the one."""

    engine: EngineName
    why: str

    @property
    def is_vllm(self) -> bool:
        """Whether vLLM samples."""
        return self.engine == "vllm"


def choose_engine(
    wanted: Literal["auto", "hf", "vllm"],
    need: Need,
    *,
    has_gpu: bool,
    has_vllm: bool,
    parameters: int,
    adapter_kind: Literal["none", "lora", "qlora", "dora", "full"] = "lora",
    modules_to_save: tuple[str, ...] = (),
) -> Choice:
    """Returns the engine to use.

    Args:
        wanted: `rl.engine` or `evaluation.engine`.
        need: Who asks.
        has_gpu: Whether there is one.
        has_vllm: Whether vLLM is installed.
        parameters: Of the base model.
        adapter_kind: What is trained, or evaluated on the base; `none` is the base alone.
        modules_to_save: Layers that the adapter holds whole.

    Raises:
        ConfigError: vLLM is asked for and cannot do it.
    """
    obstacle = _obstacle(need, has_gpu, has_vllm, adapter_kind, modules_to_save)
    if wanted == "hf":
        return Choice("hf", f"{need}.engine asks for it")
    if wanted == "vllm":
        if obstacle is not None and not obstacle.is_a_drawback:
            problem = Problem(f"{need}.engine", f"vllm is asked for, but {obstacle.why}")
            raise ConfigError([problem], hint=obstacle.remedy)
        drawback = f", although {obstacle.why}" if obstacle is not None else ""
        return Choice("vllm", f"{need}.engine asks for it{drawback}")
    if not has_gpu:
        return Choice("hf", "there is no GPU")
    size = f"{parameters / 1e6:,.1f}M parameters"
    if parameters < SMALL_MODEL:
        return Choice("hf", f"a model of {size} is sampled faster than vLLM starts")
    if obstacle is not None:
        return Choice("hf", obstacle.why)
    return Choice("vllm", f"there is a GPU, and the model has {size}")


def longest_sequence(context_length: int | None, engine_length: int | None) -> int | None:
    """Returns the tokens that a prompt and its answer may have together; None knows no bound.

    Args:
        context_length: Of the model.
        engine_length: That the engine was set to, `vllm.max_model_length`.
    """
    known = [length for length in (context_length, engine_length) if length is not None]
    return min(known, default=None)


@dataclass(frozen=True)
class _Obstacle:
    why: str
    remedy: str
    is_a_drawback: bool = False
    """Whether vLLM can do it all the same, where it is asked for by name."""


def _obstacle(
    need: Need,
    has_gpu: bool,
    has_vllm: bool,
    adapter_kind: str,
    modules_to_save: tuple[str, ...],
) -> _Obstacle | None:
    """What keeps vLLM from doing it; None when nothing does."""
    use_hf = f"set {need}.engine: hf."
    if need is Need.RL and not has_gpu:
        # Its linear layers are packed anew on a CPU: the first push of trained weights fails.
        return _Obstacle(
            "on a CPU vLLM cannot take new weights, and RL changes them with every step",
            f"S{use_hf[1:]}",
        )
    if not has_vllm:
        return _Obstacle("vLLM is not installed", f"{INSTALL_VLLM}or {use_hf}")
    if need is Need.RL and adapter_kind == "qlora":
        return _Obstacle(
            "merging a LoRA into 4-bit weights, as each push to vLLM does, loses precision: it "
            "would sample from other weights than those trained",
            f"Set adapter.kind: lora, or {use_hf}",
            is_a_drawback=True,
        )
    if need is Need.EVALUATION and adapter_kind == "dora":
        return _Obstacle("vLLM cannot serve a DoRA adapter", f"S{use_hf[1:]}")
    if need is Need.EVALUATION and modules_to_save:
        names = ", ".join(modules_to_save)
        return _Obstacle(
            f"vLLM cannot serve an adapter with whole layers (modules_to_save: {names})",
            f"S{use_hf[1:]}",
        )
    return None
