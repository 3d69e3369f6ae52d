"""What the runner does in place of a run, for `--dry-run` and `--smoke`, and tells about it."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenyson.checkpoints.fence import Fence
from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.distributed.place import RankPlace
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.context import Reporter, RunContext
from tenyson.jobs.job import Job
from tenyson.jobs.models.loaders import import_loader
from tenyson.jobs.outcome.failure import missing_library
from tenyson.jobs.outcome.own_folder import refuse_ranks_for_eval
from tenyson.jobs.outcome.records import new_result
from tenyson.jobs.planning.plan import Plan
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


def require_one_process(places: Sequence[RankPlace], *, is_smoke: bool) -> None:
    """Refuses what one process cannot try for several.

    Raises:
        ConfigError: It is one of several ranks that another program has started, or a smoke run is
            asked for where several ranks would train.
    """
    started = len(places) == 1 and places[0].size > 1
    if started or (is_smoke and places[0].size > 1):
        asked = "--smoke" if is_smoke else "--dry-run"
        count = places[0].size
        raise ConfigError(
            [Problem(asked, f"is done by one process, and {count} ranks are to train here")],
            hint="Call it without torchrun, and for --smoke without PET_NPROC_PER_NODE, too.",
        )
    if len(places) > 1:  # one process uses one GPU
        first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
        os.environ["CUDA_VISIBLE_DEVICES"] = first


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
            from tenyson.jobs.planning._planning import plan_run

            return plan_run(context, ranks, job.output_dir)
        except ImportError as error:
            raise missing_library(error, job.label) or error from error
