"""The configuration of a job: one model for the YAML file, the Python API and `spec.config`.

Names of trainer arguments are TRL's. Each field is documented once, by the string under it; the
resource's schema and `kubectl explain` are made from the same strings.
"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from tenyson.config.budget import BudgetConfig
from tenyson.config.checkpoint import CheckpointConfig
from tenyson.config.evaluation import EvaluationConfig
from tenyson.config.guards import GuardsConfig
from tenyson.config.model import AdapterConfig, ModelConfig
from tenyson.config.rl import RLConfig, VLLMConfig
from tenyson.config.section import Section
from tenyson.config.training import DataConfig, TrainingConfig


class TelemetryConfig(Section):
    """Where structured metrics go."""

    db_url: Annotated[str, Field(max_length=4096)] | None = None
    """SQLAlchemy URL of SQLite or PostgreSQL; None uses TENYSON_TELEMETRY_DB_URL, if set."""


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
    vllm: VLLMConfig = VLLMConfig()
    """The vLLM engine, where RL or an evaluation uses it."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Generation and scoring in an Eval job."""
    telemetry: TelemetryConfig = TelemetryConfig()
    """Where structured metrics go."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When a run saves its state, and what it starts from."""
    guards: GuardsConfig = GuardsConfig()
    """What a training run is watched for, and what happens then."""
    budget: BudgetConfig = BudgetConfig()
    """What a run may use up."""
    trainer_args: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of TRL's SFTConfig or GRPOConfig, by their own names."""
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
