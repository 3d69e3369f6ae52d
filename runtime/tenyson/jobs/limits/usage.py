"""`usage.json`: how long each attempt of a run has run, kept up to date for those to come."""

import logging

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.config.budget import BudgetConfig
from tenyson.contract import File, JobType
from tenyson.errors import BudgetError, ConfigError, Problem
from tenyson.jobs.limits.meter import Meter, seconds_in

LOG = logging.getLogger("tenyson.jobs")
KEEP_SECONDS = 10.0
"""Between two notes of what is used: that much may be lost with a killed attempt."""


def open_meter(budget: BudgetConfig, fence: Fence, mirror: Mirror | None, started: float) -> Meter:
    """Returns the meter of an attempt, with what earlier ones have used.

    Args:
        budget: The limits and the price.
        fence: The attempt's.
        mirror: Has the file where the folder of an earlier attempt is gone.
        started: When the attempt began, by the monotonic clock.
    """
    path = fence.folder / File.USAGE
    seconds: dict[int, float] = {}
    try:
        if not path.exists() and mirror is not None and mirror.exists(path.name):
            mirror.fetch(path.name, path)
        seconds = seconds_in(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except ValueError as error:
        LOG.warning("%s is passed over, earlier attempts count for nothing: %s", path, error)
    return Meter(budget, attempt=fence.attempt, seconds_by_attempt=seconds, started=started)


def keep_usage(meter: Meter, fence: Fence) -> None:
    """Writes down what is used so far.

    Raises:
        SupersededError: A newer attempt has started; nothing was written.
    """
    try:
        fence.write(File.USAGE, meter.to_json())
    except OSError as error:
        LOG.warning("%s cannot be written: %s", fence.folder / File.USAGE, error)


def nothing_trained(spent: str) -> ConfigError:
    """Returns how a run fails whose earlier attempts used the budget up and saved nothing.

    Args:
        spent: Which limit was reached, as a sentence.
    """
    return ConfigError(
        [Problem("budget", f"{spent} No checkpoint was saved by then, so there is no result")],
        hint="Raise the limit, or have the run save earlier (checkpoint.every_steps, "
        "checkpoint.every_seconds) and start it in a new output folder.",
    )


def nothing_answered(spent: str) -> ConfigError:
    """Returns how an evaluation fails whose earlier attempts used the budget up before any answer.

    Args:
        spent: Which limit was reached, as a sentence.
    """
    return ConfigError(
        [Problem("budget", f"{spent} No row was answered by then, so there is no result")],
        hint="Raise the limit, and start the run again.",
    )


def budget_reached(job_type: JobType, done: int, spent: str) -> BudgetError:
    """Returns how a run ends that has done what its budget allows.

    Args:
        job_type: Kind of the job.
        done: The last step done; of an evaluation, the rows answered.
        spent: Which limit was reached, as a sentence.
    """
    if job_type is JobType.EVAL:
        return BudgetError(
            f"Ended after {done} answered rows: {spent}",
            hint="The metrics are of those rows alone, see the warnings. Raise the budget and "
            "start the run again in the same output folder to answer the others.",
        )
    return BudgetError(
        f"Ended after step {done}: {spent}",
        hint="The result is valid, checkpoint-final is there. Raise the budget and start the run "
        "again in the same output folder to go on from there.",
    )
