"""What `spec.suspend` and `spec.stop` ask for."""

from tenyson.controller.observed import Job


def is_wanted(job: Job) -> bool:
    """Whether the run is to stand still."""
    return job.spec is not None and job.spec.suspend


def is_stop_wanted(job: Job) -> bool:
    """Whether the run is to end for good."""
    return job.spec is not None and job.spec.stop
