"""RLJob: light to import; the training libraries are loaded by `run()`."""

from typing import ClassVar

from tenyson.contract import JobType
from tenyson.jobs.context import RunContext
from tenyson.jobs.job import Job


class RLJob(Job):
    """Reinforcement learning on a task's rewards (GRPO), with TRL's GRPOTrainer."""

    job_type: ClassVar[JobType] = JobType.RL
    label: ClassVar[str] = "RL"

    def _train_or_evaluate(self, context: RunContext) -> None:
        from tenyson.jobs.sampling import _rl
        from tenyson.jobs.training import _recovery

        _recovery.train_and_recover(context, _rl.train)
