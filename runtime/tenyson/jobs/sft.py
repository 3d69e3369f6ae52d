"""SFTJob: light to import; the training libraries are loaded by `run()`."""

from typing import ClassVar

from tenyson.contract import JobType
from tenyson.jobs.context import RunContext
from tenyson.jobs.job import Job


class SFTJob(Job):
    """Supervised fine-tuning on a task's examples, with TRL's SFTTrainer."""

    job_type: ClassVar[JobType] = JobType.SFT
    label: ClassVar[str] = "SFT"

    def _train_or_evaluate(self, context: RunContext) -> None:
        from tenyson.jobs.training import _recovery, _sft

        _recovery.train_and_recover(context, _sft.train)
