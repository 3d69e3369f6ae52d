"""What a run has changed of its own configuration, so that it could go on.

After a lack of memory it trains in smaller micro-batches, after a rollback with half the learning
rate. Both hold for all of its attempts, so they stand in a file of the output folder.
"""

import dataclasses
import json
from dataclasses import dataclass, replace
from typing import Any, Self

from tenyson.config import JobConfig
from tenyson.contract import JobType

ROLLBACK_SCALE = 0.5
"""What a rollback multiplies the learning rate by."""


@dataclass(frozen=True)
class Amendments:
    """The changes of a run; none by default."""

    micro_batch_divisor: int = 1
    """What the micro-batch was divided by; the accumulation was multiplied by it."""
    divided_micro_batch: int | None = None
    """The micro-batch that was divided; None in files of versions that did not keep it."""
    sampling_batch_size: int | None = None
    """Completions that are sampled at once; None leaves `rl.sampling_batch_size` as it is."""
    learning_rate_scale: float = 1.0

    @property
    def has_shrunk(self) -> bool:
        """Whether memory ran out once already."""
        return self.micro_batch_divisor > 1

    @property
    def has_rolled_back(self) -> bool:
        """Whether a guard sent the run back once already."""
        return self.learning_rate_scale < 1

    def fitted(self, config: JobConfig) -> Self:
        """Returns the changes without those of another micro-batch than the configuration's.

        Who gives another one after a lack of memory has seen to it himself.
        """
        micro, divided = config.training.per_device_train_batch_size, self.divided_micro_batch
        if micro % self.micro_batch_divisor == 0 and divided in (None, micro):
            return self
        return replace(
            self, micro_batch_divisor=1, divided_micro_batch=None, sampling_batch_size=None
        )

    def apply(self, config: JobConfig) -> JobConfig:
        """Returns the configuration, which they fit, with the changes: batches in smaller parts."""
        divisor, training, rl = self.micro_batch_divisor, config.training, config.rl
        batches: dict[str, Any] = {
            "per_device_train_batch_size": training.per_device_train_batch_size // divisor,
            "per_device_eval_batch_size": max(1, training.per_device_eval_batch_size // divisor),
            "gradient_accumulation_steps": training.gradient_accumulation_steps * divisor,
            "learning_rate": training.learning_rate * self.learning_rate_scale,
        }
        sampling: dict[str, Any] = {}
        if rl.steps_per_generation is not None:
            sampling["steps_per_generation"] = rl.steps_per_generation * divisor
        if self.sampling_batch_size is not None:
            sampling["sampling_batch_size"] = self.sampling_batch_size
        changed = {
            "training": training.model_copy(update=batches),
            "rl": rl.model_copy(update=sampling),
        }
        return config.model_copy(update=changed)

    def to_json(self) -> str:
        """Returns the file's content."""
        return json.dumps({"schema_version": 1, **dataclasses.asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the changes in a file's content; what a newer version added is ignored.

        Raises:
            ValueError: It is no such file.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("no amendments: expected a mapping")
        try:
            known = {f.name: values[f.name] for f in dataclasses.fields(cls) if f.name in values}
            amendments = cls(**known)
            amendments.micro_batch_divisor.__index__()
            return replace(amendments, learning_rate_scale=float(amendments.learning_rate_scale))
        except (TypeError, AttributeError) as error:
            raise ValueError(f"no amendments: {error}") from error


def shrink(
    amendments: Amendments, config: JobConfig, job_type: JobType, *, is_sampling: bool
) -> Amendments | None:
    """Returns the changes after a lack of memory; None where there is nothing left to try.

    The micro-batch is halved, or divided by its smallest divisor; the batch of a step and the
    round of sampling stay what they were, so groups stay whole. Where sampling was too large, it
    goes on in parts of the new micro-batch, too.

    Args:
        amendments: Those so far.
        config: The configuration as it was given.
        job_type: What is trained.
        is_sampling: Whether memory ran out while completions were sampled.
    """
    micro = config.training.per_device_train_batch_size
    if amendments.has_shrunk or micro == 1:
        return None
    divisor = next(d for d in range(2, micro + 1) if micro % d == 0)
    part = micro // divisor if is_sampling and job_type is JobType.RL else None
    return replace(
        amendments,
        micro_batch_divisor=divisor,
        divided_micro_batch=micro,
        sampling_batch_size=part,
    )


def roll_back(amendments: Amendments) -> Amendments | None:
    """Returns the changes after a rollback; None after the first one."""
    if amendments.has_rolled_back:
        return None
    return replace(amendments, learning_rate_scale=ROLLBACK_SCALE)
