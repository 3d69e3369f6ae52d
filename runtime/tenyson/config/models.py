"""The configuration of a job: one model for the YAML file, the Python API and `spec.config`.

Names of trainer arguments are TRL's. Each field is documented once, by the string under it; the
resource's schema and `kubectl explain` are made from the same strings.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from pydantic import Field, PrivateAttr

from tenyson.config.budget import BudgetConfig
from tenyson.config.checkpoint import CheckpointConfig
from tenyson.config.evaluation import EvaluationConfig
from tenyson.config.guards import GuardsConfig
from tenyson.config.model import AdapterConfig, ModelConfig
from tenyson.config.rl import RLConfig, VLLMConfig
from tenyson.config.section import Section
from tenyson.config.telemetry import TelemetryConfig
from tenyson.config.training import DataConfig, TrainingConfig


class JobConfig(Section):
    """The whole configuration of an SFT, RL or Eval job."""

    model: ModelConfig
    """The base model."""
    adapter: AdapterConfig = AdapterConfig()
    """The part of the model that is trained."""
    data: DataConfig = DataConfig()
    """The rows, and how examples become batches (SFT)."""
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
    """Further arguments of TRL's SFTConfig or GRPOConfig, by their own names; one that TRL does not
    know, or that has a field here, is refused."""
    task: dict[str, Any] = Field(default_factory=dict)
    """The task's own section; its keys are the task's."""

    _written: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def written_as(self) -> Mapping[str, str]:
        """By path, how a field was spelled where the configuration was read."""
        return MappingProxyType(self._written)

    @property
    def read_as(self) -> list[str]:
        """One sentence for each field that was spelled otherwise, for the log and the manifest."""
        return [f"read `{old}` as {path}" for path, old in self._written.items()]

    def with_spellings(self, written: Mapping[str, str]) -> Self:
        """Returns the same configuration, which knows how its fields were spelled."""
        spelled = self.model_copy()
        spelled._written = dict(written)
        return spelled
