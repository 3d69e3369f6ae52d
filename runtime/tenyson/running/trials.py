"""What the runner does in place of a run, for `--dry-run` and `--smoke`, and tells about it."""

import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenyson.checkpoints.fence import Fence
from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.jobs.context import Reporter, RunContext
from tenyson.jobs.failure import missing_library
from tenyson.jobs.job import Job, new_result
from tenyson.jobs.loaders import import_loader
from tenyson.jobs.own_folder import refuse_ranks_for_eval
from tenyson.jobs.plan import Plan
from tenyson.running.kinds import job_class
from tenyson.running.smoke import smoke
from tenyson.termination import say


def dry_run(job: Job, ranks: int) -> dict[str, Any]:
    """Says what the job's next attempt would do; returns the plan as JSON values."""
    plan = plan_of(job, ranks)
    say(f"{plan.text()}\n")
    return {"plan": plan.to_dict()}


def smoke_run(job: Job) -> dict[str, Any]:
    """Tries the job's parts out, each said as it is done; returns them as JSON values."""
    stages = smoke(job, job_class(JobType.EVAL), lambda line: say(f"{line}\n"))
    return {"stages": [asdict(stage) for stage in stages]}


def plan_of(job: Job, ranks: int) -> Plan:
    """Returns what the job's next attempt would do, without a weight loaded or a file left.

    Args:
        job: Ready to run; its output folder is looked at, and stays as it is.
        ranks: Processes that would train together.

    Raises:
        TenysonError: What the attempt would end with before its first step.
    """
    config = parse_config(job.config, job.job_type, ranks=ranks)
    refuse_ranks_for_eval(job.job_type, ranks)
    with (
        tempfile.TemporaryDirectory(prefix="tenyson-dry-run-") as folder,
        closing(Reporter(job.job_type, None, is_quiet=True)) as reporter,
    ):
        context = RunContext(
            job_type=job.job_type,
            config=config,
            task=job.task,
            output_dir=Path(folder),
            options=job.options,
            result=new_result(job),
            fence=Fence(Path(folder), 0),
            reporter=reporter,
            plain_config=config.model_dump(),
        )
        try:
            import_loader(config)
            from tenyson.jobs._planning import plan_run

            return plan_run(context, ranks, job.output_dir)
        except ImportError as error:
            raise missing_library(error, job.label) or error from error
