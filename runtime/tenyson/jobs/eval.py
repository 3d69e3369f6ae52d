"""EvalJob: light to import; the training libraries are loaded by `run()`."""

from typing import ClassVar

from tenyson.contract import JobType
from tenyson.jobs.context import RunContext
from tenyson.jobs.job import Job


class EvalJob(Job):
    """Evaluation of a base model or an adapter on a task's prompts."""

    job_type: ClassVar[JobType] = JobType.EVAL
    label: ClassVar[str] = "Eval"

    def _train_or_evaluate(self, context: RunContext) -> None:
        from tenyson.jobs.evaluating import _eval

        _eval.evaluate(context)
