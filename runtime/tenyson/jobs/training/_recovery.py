"""Training that goes back within its attempt: after a lack of memory, after a guard's rollback.

All is made anew, model and trainer included, as the next attempt would do it, and so comes out
exactly as a resume does. What the failed try holds is let go of first.
"""

import gc
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from accelerate.state import GradientState  # type: ignore[import-untyped]

from tenyson.checkpoints.layout import attempt_folder
from tenyson.config import JobConfig
from tenyson.contract import ExitCode, File, JobType
from tenyson.errors import DivergedError, OutOfMemoryError, SupersededError, TenysonError
from tenyson.jobs.context import RunContext, expect_start
from tenyson.jobs.result import JobResult
from tenyson.jobs.training.amendments import Amendments, roll_back, shrink
from tenyson.jobs.training.going_back import GoBack, wants_rollback

if TYPE_CHECKING:
    from tenyson.telemetry.event_rows import Kind

LOG = logging.getLogger("tenyson.jobs")


def train_and_recover(context: RunContext, train: Callable[[RunContext], None]) -> None:
    """Trains; goes back once where memory runs out, and once where a guard asks for it.

    Raises:
        OutOfMemoryError: Memory ran out a second time, or nothing smaller can be tried here.
        DivergedError: A guard stopped the run.
    """
    given = context.config
    context.amendments = context.ranks.share(_amendments_so_far(context, given))
    while True:
        context.config = context.amendments.apply(given)
        context.phases.turn_to("load")
        try:
            train(context)
            return
        except (OutOfMemoryError, DivergedError) as error:
            _tell(context, error)
            amended = _amended(context, given, error)
            if amended is None:
                raise
            said = _what_happens_now(error, amended.apply(given), context)
            before_step = error.before_step if isinstance(error, DivergedError) else None
        _release_memory()
        context.go_back = GoBack(before_step)
        context.amendments = amended
        expect_start(context)
        LOG.warning("%s", said)
        kind: Kind = "oom" if before_step is None else "guard"
        context.warn(
            said,
            kind=kind,
            name="rolled_back" if kind == "guard" else "halved",
            before_step=before_step,
            amendments=json.loads(amended.to_json()),
        )
        _keep(context)


def _tell(context: RunContext, error: TenysonError) -> None:
    """Tells of what ended the training; the guards that look at logged rows have told already."""
    if isinstance(error, OutOfMemoryError):
        during = error.during or "the run"
        context.record.tell(*("oom", "out_of_memory", error.message), level="error", during=during)
    elif isinstance(error, DivergedError) and error.guard == "non_finite":
        context.record.tell(
            *("guard", error.guard, error.message), level="error", before_step=error.before_step
        )


def _amended(context: RunContext, given: JobConfig, error: TenysonError) -> Amendments | None:
    """Returns what to change before going back; None where the error stands."""
    if isinstance(error, DivergedError):
        return roll_back(context.amendments) if wants_rollback(error, given) else None
    if not isinstance(error, OutOfMemoryError) or not error.during:
        return None
    if not _can_start_again(context):
        return None
    is_sampling = error.during == "sampling"
    return shrink(context.amendments, given, context.job_type, is_sampling=is_sampling)


def _can_start_again(context: RunContext) -> bool:
    """Whether this process can go back by itself; else the next attempt starts smaller.

    Other ranks wait in a collective that nobody ends for them, and vLLM gives its memory back only
    with its process.
    """
    has_engine = context.engine is not None and context.engine.is_vllm
    return context.ranks.size == 1 and not has_engine


def _what_happens_now(error: TenysonError, config: JobConfig, context: RunContext) -> str:
    done = context.result.global_step
    if isinstance(error, DivergedError):
        return (
            f"{error.message} Going back to the last checkpoint before step {error.before_step}, "
            "with half the learning rate. It happens once."
        )
    return (
        f"{error.message} That was after step {done}; going back to the last checkpoint, or the "
        f"start. {_parts(config)} It happens once; to start so, set the same in the configuration."
    )


def _parts(config: JobConfig) -> str:
    training, rl = config.training, config.rl
    text = (
        f"From now on training.per_device_train_batch_size is "
        f"{training.per_device_train_batch_size} and training.gradient_accumulation_steps "
        f"{training.gradient_accumulation_steps}: the same batch in smaller parts."
    )
    if rl.sampling_batch_size is not None:
        text += f" Completions are sampled {rl.sampling_batch_size} at once."
    return text


def _release_memory() -> None:
    GradientState._reset_state()  # it still holds the data loader that was cut short
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _amendments_so_far(context: RunContext, given: JobConfig) -> Amendments | None:
    """Returns what earlier attempts have changed; rank 0 knows."""
    if not context.ranks.is_main:
        return None
    kept = _read(context)
    if given.checkpoint.resume == "never":  # from the start, but in what fits into the memory
        kept = replace(kept, learning_rate_scale=1.0)
    context.amendments = amendments = kept.fitted(given)
    if amendments != kept:
        _keep(context)
        return amendments
    if amendments.has_shrunk or not _ran_out_of_memory_before(context):
        return amendments
    is_sampling = context.job_type is JobType.RL
    shrunk = shrink(amendments, given, context.job_type, is_sampling=is_sampling)
    if shrunk is None:
        return amendments
    said = f"The attempt before this one ran out of memory. {_parts(shrunk.apply(given))}"
    LOG.warning("%s", said)
    context.warn(said, kind="oom", name="halved", amendments=json.loads(shrunk.to_json()))
    context.amendments = shrunk
    _keep(context)
    return shrunk


def _read(context: RunContext) -> Amendments:
    path, mirror = context.output_dir / File.AMENDMENTS, context.mirror
    try:
        if not path.exists() and mirror is not None and mirror.exists(path.name):
            mirror.fetch(path.name, path)
        return Amendments.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Amendments()
    except ValueError as error:
        LOG.warning("%s is passed over: %s", path, error)
        return Amendments()


def _keep(context: RunContext) -> None:
    """Writes the changes down for the attempts to come."""
    if not context.ranks.is_main:
        return
    context.fence.write(File.AMENDMENTS, context.amendments.to_json())
    if context.mirror is not None:
        try:
            context.mirror.upload_file(context.output_dir / File.AMENDMENTS)
        except SupersededError:
            raise
        except TenysonError as error:
            context.warn(f"{File.AMENDMENTS} is only in the output folder: {error.message}")


def _ran_out_of_memory_before(context: RunContext) -> bool:
    """Whether the attempt before this one ended so, and could not go back by itself."""
    if context.fence.attempt == 0:
        return False
    name = f"{attempt_folder(context.fence.attempt - 1)}/{File.JOB_RESULT}"
    path, mirror = context.output_dir / name, context.mirror
    try:
        if not path.exists() and mirror is not None and mirror.exists(name):
            mirror.fetch(name, path)
        return JobResult.load(path).exit_code == ExitCode.OUT_OF_MEMORY
    except (FileNotFoundError, ValueError):
        return False
