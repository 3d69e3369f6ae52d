"""Sampling and the loss of reinforcement learning, and the engine that samples."""

from typing import Annotated, Literal

from pydantic import Field

from tenyson.config.section import PositiveInt, Section

CISPO_EPSILON_HIGH = 5.0
"""Source: Khatri et al. 2025, "The Art of Scaling Reinforcement Learning Compute for LLMs"."""


class RLConfig(Section):
    """Sampling and loss of GRPO."""

    engine: Literal["auto", "hf", "vllm"] = "auto"
    """What samples: `hf` is transformers' generation, `vllm` shares the GPU with training; auto
    takes vLLM on a GPU for models beyond 50M parameters, and says why."""
    num_generations: Annotated[int, Field(ge=2, le=4096)] = 8
    """Completions per prompt, the group that advantages are measured in."""
    max_completion_length: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """Tokens of a completion; of each turn, for a task with `make_env`."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Sampling temperature."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling; 1 keeps every token."""
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens kept for sampling; 0 keeps all."""
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Least share of the likeliest token's probability that a token needs; None keeps all."""
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Above 1, tokens that were used before become less likely."""
    num_iterations: Annotated[int, Field(ge=1, le=1000)] = 1
    """Optimiser passes over each batch of completions."""
    steps_per_generation: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Micro-steps served by one round of sampling; None: `gradient_accumulation_steps`."""
    sampling_batch_size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Completions that transformers' generation samples at once, per device; None samples a whole
    round, which is fastest and takes most memory."""
    beta: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the KL term against the starting policy; 0 keeps no reference."""
    epsilon: Annotated[float, Field(gt=0, le=100)] = 0.2
    """Clip range of the importance ratio, below."""
    epsilon_high: Annotated[float, Field(gt=0, le=100)] | None = None
    """Clip range above; None is `epsilon`, and 5 for `cispo`, which clips nowhere else."""
    delta: Annotated[float, Field(gt=0, le=100)] | None = None
    """Second bound of the importance ratio, for negative advantages; None has none. `cispo`, `sapo`
    and `vespo` have no place for it."""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """What the importance ratio is of; `sequence` is GSPO."""
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = (
        "dapo"
    )
    """Loss, as TRL names it."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What advantages are divided by: the deviation of the group, of the batch, or nothing."""
    reward_weights: Annotated[list[float], Field(max_length=64)] | None = None
    """One weight per reward function, in their order; None takes the task's `get_reward_weights`,
    and weighs all as 1 where it has none."""
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = (
        "sum_then_normalize"
    )
    """Whether rewards are added up before or after each is normalised (the latter is GDPO)."""
    reward_timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = 300.0
    """What one call of a reward function may take before the run fails; None waits for ever."""
    entropy_coef: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the entropy bonus."""
    top_entropy_quantile: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the tokens, those of highest entropy, that the policy's loss is taken over."""
    mask_truncated_completions: bool = False
    """Whether completions cut at `max_completion_length` are left out of the loss."""
    shuffle_dataset: bool = True
    """Whether prompts are drawn in a seeded random order."""
    filter_zero_variance: bool = False
    """Whether prompts whose completions all earn the same, which teach nothing, are left out and
    others sampled in their place; for advantages measured within groups."""
    max_extra_rounds: Annotated[int, Field(ge=0, le=64)] = 2
    """Further rounds of sampling that `filter_zero_variance` may take to fill one round."""
    max_turns: Annotated[int, Field(ge=1, le=1000)] = 16
    """Turns of an episode, for a task with `make_env`."""

    @property
    def clip_above(self) -> float | None:
        """Bound of the importance ratio above, as TRL takes it.

        Left to itself TRL would clip all of `cispo`'s ratios at `epsilon`, far below 1.
        """
        is_cispo = self.epsilon_high is None and self.loss_type == "cispo"
        return CISPO_EPSILON_HIGH if is_cispo else self.epsilon_high


class VLLMConfig(Section):
    """The vLLM engine, where RL or an evaluation uses it."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the GPU's memory (CPU: of the RAM); None is 0.3 beside training, else 0.9."""
    max_model_length: PositiveInt | None = None
    """Tokens of prompt and completion; None is the model's own limit."""
    tensor_parallel_size: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs that one copy of the model is split over."""
    enable_sleep_mode: bool = True
    """Whether the engine gives its memory back while a step trains."""
    enforce_eager: bool = False
    """Whether CUDA graphs are left out: a faster start, slower sampling."""
    enable_prefix_caching: bool = True
    """Whether prompts that begin alike are computed once."""
