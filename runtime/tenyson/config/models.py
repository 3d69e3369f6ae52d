"""The configuration of a job: one model for the YAML file, the Python API and `spec.config`.

Names of trainer arguments are TRL's. Each field is documented once, by the string under it; the
resource's schema and `kubectl explain` are made from the same strings.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]
ShortString = Annotated[str, Field(max_length=1024)]


class Section(BaseModel):
    """A part of the configuration: immutable, and refuses keys that it does not know."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class ModelConfig(Section):
    """The base model."""

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    """Hub name, local folder, or `task:NAME` for a model that the task itself provides."""
    revision: ShortString = "main"
    """Branch, tag or commit on the Hub; ignored for a folder or a task's model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Weights' type; auto is bfloat16 on a GPU that has it, else float32."""
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2"] | None = None
    """Attention kernel; None leaves the choice to transformers."""
    trust_remote_code: bool = False
    """Whether code from the model's repository may run."""


class AdapterConfig(Section):
    """The part of the model that is trained."""

    kind: Literal["lora", "none"] = "lora"
    """`lora` trains low-rank matrices, `none` every weight."""
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
    path: ShortString | None = None
    """Adapter to start from: a folder, or a URI; None starts a new one (Eval: the base model)."""


class DataConfig(Section):
    """How examples become batches (SFT)."""

    max_length: Annotated[int, Field(ge=1, le=10_000_000)] | None = 1024
    """Tokens of an example; longer ones are cut at the end. None never cuts."""
    packing: bool = False
    """Whether several short examples share one row."""
    completion_only_loss: bool | None = None
    """Whether prompts are left out of the loss; None does so for prompt/completion data."""
    assistant_only_loss: bool = False
    """Whether only the assistant's turns of a conversation are trained."""


class TrainingConfig(Section):
    """The optimiser and its schedule."""

    max_steps: PositiveInt | None = None
    """Optimiser steps; None trains for `num_train_epochs`."""
    num_train_epochs: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    """Passes over the data, where `max_steps` is None."""
    per_device_train_batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Examples (RL: completions) per device and micro-step."""
    per_device_eval_batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Examples per device in evaluation during training."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Micro-steps per optimiser step."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 2e-5
    """Peak learning rate."""
    lr_scheduler_type: Literal[
        "linear", "cosine", "constant", "constant_with_warmup", "cosine_with_min_lr", "polynomial"
    ] = "linear"
    """Shape of the schedule, as transformers names it."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps until the peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Decoupled weight decay."""
    adam_beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the first moment."""
    adam_beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the second moment."""
    max_grad_norm: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """Gradient norm above which gradients are scaled down; 0 never scales."""
    optim: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit", "adafactor", "sgd"] = (
        "adamw_torch"
    )
    """Optimiser, as transformers names it."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    """Seeds every random source of the run."""
    gradient_checkpointing: bool | None = None
    """Whether activations are recomputed to save memory; None does so on a GPU only."""
    logging_steps: PositiveInt = 1
    """Steps between two rows of metrics."""
    eval_steps: PositiveInt | None = None
    """Steps between two evaluations on the task's SFT evaluation set; None evaluates at the end."""


class RLConfig(Section):
    """Sampling and loss of GRPO."""

    num_generations: Annotated[int, Field(ge=2, le=4096)] = 8
    """Completions per prompt, the group that advantages are measured in."""
    max_completion_length: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """Tokens of a completion."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Sampling temperature."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling; 1 keeps every token."""
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens kept for sampling; 0 keeps all."""
    num_iterations: Annotated[int, Field(ge=1, le=1000)] = 1
    """Optimiser passes over each batch of completions."""
    steps_per_generation: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Micro-steps served by one round of sampling; None: `gradient_accumulation_steps`."""
    beta: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the KL term against the starting policy; 0 keeps no reference."""
    epsilon: Annotated[float, Field(gt=0, le=100)] = 0.2
    """Clip range of the importance ratio, below."""
    epsilon_high: Annotated[float, Field(gt=0, le=100)] | None = None
    """Clip range above; None is the same as `epsilon`."""
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = (
        "dapo"
    )
    """Loss, as TRL names it."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What advantages are divided by: the deviation of the group, of the batch, or nothing."""
    reward_weights: Annotated[list[float], Field(max_length=64)] | None = None
    """One weight per reward function, in their order; None weighs all as 1."""
    entropy_coef: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight of the entropy bonus."""
    mask_truncated_completions: bool = False
    """Whether completions cut at `max_completion_length` are left out of the loss."""
    shuffle_dataset: bool = True
    """Whether prompts are drawn in a seeded random order."""


class EvaluationConfig(Section):
    """Generation and scoring in an Eval job."""

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Prompts per generation batch."""
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """Tokens of a completion."""
    temperature: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Sampling temperature; 0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling; 1 keeps every token."""
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens kept for sampling; 0 keeps all."""
    num_samples: Annotated[int, Field(ge=1, le=1024)] = 1
    """Completions per prompt; more than one needs a temperature above 0."""
    max_prompts: PositiveInt | None = None
    """Prompts taken from the start of the evaluation set; None takes all."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    """Seeds the sampling."""


class TelemetryConfig(Section):
    """Where structured metrics go."""

    db_url: Annotated[str, Field(max_length=4096)] | None = None
    """SQLAlchemy URL of SQLite or PostgreSQL; None uses TENYSON_TELEMETRY_DB_URL, if set."""


class CheckpointConfig(Section):
    """When a run saves its state, and what it starts from."""

    every_steps: PositiveInt | None = None
    """Steps between two checkpoints; None saves by time only."""
    every_seconds: Annotated[float, Field(gt=0, le=1e7)] | None = 180.0
    """Seconds between two checkpoints; None saves by steps only."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 3
    """Checkpoints kept over all attempts, the newest ones."""
    resume: Literal["auto", "never"] | Annotated[int, Field(ge=1)] = "auto"
    """What attempts start from: `auto` the newest verified checkpoint, `never` none; or a step."""


class JobConfig(Section):
    """The whole configuration of an SFT, RL or Eval job."""

    model: ModelConfig
    """The base model."""
    adapter: AdapterConfig = AdapterConfig()
    """The part of the model that is trained."""
    data: DataConfig = DataConfig()
    """How examples become batches (SFT)."""
    training: TrainingConfig = TrainingConfig()
    """The optimiser and its schedule."""
    rl: RLConfig = RLConfig()
    """Sampling and loss of GRPO."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Generation and scoring in an Eval job."""
    telemetry: TelemetryConfig = TelemetryConfig()
    """Where structured metrics go."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When a run saves its state, and what it starts from."""
    task: dict[str, Any] = Field(default_factory=dict)
    """The task's own section; its keys are the task's."""

    @model_validator(mode="after")
    def _samples_need_a_temperature(self) -> "JobConfig":
        if self.evaluation.num_samples > 1 and self.evaluation.temperature == 0:
            raise ValueError(
                "evaluation.num_samples is above 1 with evaluation.temperature 0: "
                "greedy samples are all alike; set a temperature or num_samples: 1"
            )
        return self


def rl_batch_problem(config: JobConfig, ranks: int = 1) -> str | None:
    """Why a round of sampling cannot be split into groups; None when it can.

    A group may lie on several ranks: their completions of one round count together.
    """
    micro = config.training.per_device_train_batch_size
    rounds = config.rl.steps_per_generation or config.training.gradient_accumulation_steps
    group = config.rl.num_generations
    total = micro * rounds * ranks
    if total % group:
        on_ranks = f" x {ranks} ranks" if ranks > 1 else ""
        return (
            f"{micro} completions x {rounds} micro-steps{on_ranks} = {total} per round of "
            f"sampling, not divisible by rl.num_generations = {group}"
        )
    return None
