"""From `--job-type` to the class that does it; each is light to import."""

from tenyson.contract import JobType
from tenyson.jobs.job import Job


def job_class(job_type: JobType) -> type[Job]:
    """Returns the class of jobs of this type."""
    if job_type is JobType.SFT:
        from tenyson.jobs.sft import SFTJob

        return SFTJob
    if job_type is JobType.RL:
        from tenyson.jobs.rl import RLJob

        return RLJob
    from tenyson.jobs.eval import EvalJob

    return EvalJob
