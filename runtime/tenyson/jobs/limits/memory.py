"""How much memory a job will need, estimated before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.jobs.models.model_shape import ModelShape

GIB = 2**30
_TILE_TOKENS, _TILE_WIDTH = 4096, 32_768
"""The largest part of the logits that TRL's trainers hold at once."""
_CPU_COPIES = 8
"""Of that part, where no Triton kernel works in place: exponentials, probabilities, gradients."""
_OPTIMISER_BYTES = {"adamw_torch": 8, "adamw_torch_fused": 8, "adamw_8bit": 2, "sgd": 0}
"""Bytes of state per trained weight; the rest, such as adafactor, keeps rows and columns only."""
_GPU_OVERHEAD = int(0.75 * GIB)
"""The driver's context, kernels, and what the allocator cannot use."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on one device at the peak, by what they hold."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    kv_cache: int
    """Of completions under way, where transformers samples in RL or an evaluation generates."""
    vllm: int
    """What vLLM takes of the device, its own weights included; 0 where transformers samples."""
    vllm_sleeps: bool
    """Whether vLLM gives it back while a step trains."""
    reference: int
    """Weights of the starting policy, for the KL term of a full fine-tuning."""
    overhead: int
    """What a GPU's process takes before any of it; 0 on a CPU."""

    @property
    def total(self) -> int:
        """Bytes at the peak: sampling and training take turns, but for a vLLM that stays awake."""
        standing = self.weights + self.adapter + self.optimizer + self.reference + self.overhead
        training = self.gradients + self.activations + self.logits
        if self.vllm and not self.vllm_sleeps:
            return standing + training + self.vllm
        return standing + max(training, self.kv_cache, self.vllm)

    def parts(self) -> dict[str, int]:
        """Returns the bytes by name, the largest first, without those that are none."""
        found = {n: size for n, size in vars(self).items() if size and n != "vllm_sleeps"}
        return dict(sorted(found.items(), key=lambda part: -part[1]))

    def describe(self, device_bytes: int | None = None) -> str:
        """Returns `about 14.2 GiB of 23.7 (weights 7.5, …)`; None is a device of unknown size."""
        listed = ", ".join(f"{name} {size / GIB:.2g}" for name, size in self.parts().items())
        of = f" of {device_bytes / GIB:.1f}" if device_bytes else ""
        return f"about {self.total / GIB:.2g} GiB{of} ({listed})"


def estimate(
    model_config: Mapping[str, Any],
    config: JobConfig,
    job_type: JobType,
    *,
    on_gpu: bool = True,
    prompt_tokens: int | None = None,
    parameters: int | None = None,
    ranks: int = 1,
    vllm_bytes: int = 0,
) -> MemoryEstimate:
    """Returns what one device will hold at the peak.

    It counts tensors; measured peaks of Llama models on a CPU lie within a factor of 1.5 of it.
    On a GPU a fragmented allocator and kernels' workspaces come on top.

    Args:
        model_config: The base model's `config.json`.
        config: The job's configuration.
        job_type: What is done with it.
        on_gpu: Whether numbers have the types of a GPU that has bfloat16.
        prompt_tokens: Of the longest prompt (SFT: row); None takes `data.max_length` or, without
            one, the model's positions, and for a prompt as many as a completion.
        parameters: Weights of the model where they are known; None counts them from the sizes.
        ranks: Processes that train together; they count where `training.fsdp` splits the weights.
        vllm_bytes: What vLLM takes of the device where it samples; 0 where transformers does.

    Raises:
        ValueError: The model's configuration lacks a size; names it.
    """
    shape = ModelShape.of(model_config)
    lasting = _lasting(shape, config, job_type, parameters or shape.parameters, on_gpu)
    split = ranks if config.training.fsdp else 1
    trains = job_type is not JobType.EVAL
    rows, length = _micro_batch(shape, config, job_type, prompt_tokens)
    compute = 2 if on_gpu and config.model.dtype != "float32" else 4
    return MemoryEstimate(
        **{name: size // split for name, size in lasting.items()},
        activations=_activations(shape, config, rows * length, compute, on_gpu) if trains else 0,
        logits=_logits(shape, rows * length, compute, on_gpu) if trains else 0,
        kv_cache=0 if vllm_bytes else _kv_cache(shape, config, job_type, length, compute),
        vllm=vllm_bytes,
        vllm_sleeps=config.vllm.enable_sleep_mode,
        overhead=_GPU_OVERHEAD if on_gpu else 0,
    )


def _lasting(
    shape: ModelShape, config: JobConfig, job_type: JobType, count: int, on_gpu: bool
) -> dict[str, int]:
    """Returns the bytes of what stays from step to step, all of which ranks may split."""
    trains, is_full = job_type is not JobType.EVAL, config.adapter.kind == "full"
    width = _bytes_per_weight(config, on_gpu=on_gpu, trains=trains)
    weights = _weight_bytes(shape, config, count, width)
    trained = _trained_parameters(shape, config, count) if trains else 0
    has_reference = job_type is JobType.RL and is_full and config.rl.beta > 0
    return {
        "weights": weights,
        "adapter": _adapter_bytes(shape, config, trains=trains),
        "gradients": trained * 4,
        "optimizer": trained * _OPTIMISER_BYTES.get(config.training.optim, 1),
        "reference": weights if has_reference else 0,
    }


def _bytes_per_weight(config: JobConfig, *, on_gpu: bool, trains: bool) -> int:
    """As `weights_dtype` loads them: full fine-tuning keeps what bfloat16 cannot represent."""
    if config.model.dtype != "auto":
        return 4 if config.model.dtype == "float32" else 2
    return 2 if on_gpu and not (trains and config.adapter.kind == "full") else 4


def _weight_bytes(shape: ModelShape, config: JobConfig, count: int, width: int) -> int:
    if config.adapter.kind != "qlora":
        return count * width
    in_four_bits = shape.linear_parameters
    return int(in_four_bits * 0.53) + (count - in_four_bits) * width


def _trained_parameters(shape: ModelShape, config: JobConfig, count: int) -> int:
    if config.adapter.kind == "full":
        return count
    adapter = config.adapter
    whole = len(adapter.modules_to_save) * shape.vocabulary * shape.hidden
    return shape.adapter_parameters(adapter.r, list(adapter.target_modules)) + whole


def _adapter_bytes(shape: ModelShape, config: JobConfig, *, trains: bool) -> int:
    """PEFT keeps an adapter's weights in float32."""
    if config.adapter.kind == "full" or not (trains or config.adapter.path):
        return 0
    return _trained_parameters(shape, config, 0) * 4


def _micro_batch(
    shape: ModelShape, config: JobConfig, job_type: JobType, prompt_tokens: int | None
) -> tuple[int, int]:
    """Returns the rows that are computed at once, and the tokens of the longest."""
    if job_type is JobType.RL:
        completion = config.rl.max_completion_length
        length = completion + (completion if prompt_tokens is None else prompt_tokens)
        return config.training.per_device_train_batch_size, _within(shape, length)
    if job_type is JobType.EVAL:
        completion = config.evaluation.max_new_tokens
        length = completion + (completion if prompt_tokens is None else prompt_tokens)
        return config.evaluation.batch_size, _within(shape, length)
    most = config.data.max_length or shape.max_length or 1024
    length = most if prompt_tokens is None else min(prompt_tokens, most)
    return config.training.per_device_train_batch_size, _within(shape, length)


def _within(shape: ModelShape, length: int) -> int:
    return min(length, shape.max_length) if shape.max_length else length


def _logits(shape: ModelShape, tokens: int, width: int, on_gpu: bool) -> int:
    """They are never there as a whole, but computed and thrown away part by part.

    Source: trl 1.16.0, `trl/kernels/chunked_logprob.py`.
    """
    tokens = min(tokens, _TILE_TOKENS)
    copies = 0 if on_gpu else _CPU_COPIES * min(shape.vocabulary, _TILE_WIDTH) * 4
    return tokens * (_TILE_WIDTH * width + copies)


def _activations(
    shape: ModelShape, config: JobConfig, tokens: int, width: int, on_gpu: bool
) -> int:
    """What the backward pass needs of the forward pass."""
    wanted = config.training.gradient_checkpointing
    per_layer = _activation_bytes(shape, config, width) * tokens
    if on_gpu if wanted is None else wanted:
        return shape.layers * tokens * shape.hidden * width + per_layer
    return shape.layers * per_layer


def _activation_bytes(shape: ModelShape, config: JobConfig, width: int) -> int:
    """Of one token in one layer, with attention that keeps no scores."""
    queries, values = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    norms = 2 * 2 * shape.hidden * 4  # each keeps its input and its output in float32
    attention = 2 * shape.hidden + 3 * queries + 2 * 2 * values  # rotated ones are copies
    forward = shape.hidden + (4 if shape.is_gated else 2) * (
        shape.intermediate * shape.active_experts
    )
    attends = config.model.attn_implementation == "eager"
    scores = 2 * shape.heads * (config.data.max_length or 0) if attends else 0
    low_rank = 0
    if config.adapter.kind != "full":
        low_rank = config.adapter.r * len(shape.linear_layers) * 4
    return norms + (attention + forward + scores) * width + low_rank


def _kv_cache(
    shape: ModelShape, config: JobConfig, job_type: JobType, length: int, width: int
) -> int:
    if job_type is JobType.SFT:
        return 0
    if job_type is JobType.EVAL:
        rows = config.evaluation.batch_size
    else:
        training, rl = config.training, config.rl
        steps = rl.steps_per_generation or training.gradient_accumulation_steps
        whole = training.per_device_train_batch_size * steps
        rows = min(whole, rl.sampling_batch_size or whole)
    keys_and_values = 2 * shape.layers * shape.kv_heads * shape.head_size * length * width
    logits = shape.vocabulary * 4 * 2  # of the last token, before and after the temperature
    return rows * (keys_and_values + logits)
