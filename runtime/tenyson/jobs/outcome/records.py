"""What an attempt finds and leaves in the output folder and its mirror: claim, results, failure."""

import contextlib
import dataclasses
import json
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tenyson.checkpoints import manifest
from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.final import upload_final
from tenyson.checkpoints.layout import attempt_folder
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.watcher import Watcher
from tenyson.contract import File
from tenyson.errors import CheckpointError, ConfigError, Problem, SupersededError, TenysonError
from tenyson.files import write_atomically
from tenyson.hiding import hide
from tenyson.jobs.result import JobResult

if TYPE_CHECKING:
    from tenyson.jobs.job import Job

LOG = logging.getLogger("tenyson.jobs")


def new_result(job: "Job") -> JobResult:
    """Returns the result of a run that has done nothing yet."""
    return JobResult(
        run_id=job.run_id,
        status="failed",
        total_time_seconds=0.0,
        local_output_dir=str(job.output_dir),
        job_type=job.job_type.value,
        attempt=job.attempt or 0,
        output_uri=job.options.output_uri,
    )


def claim_folder(fence: Fence) -> None:
    """Names the attempt the newest one, and clears away the result of the one before.

    Raises:
        ConfigError: The folder takes no files. A retry would not help, so this is no
            infrastructure error.
        SupersededError: A newer attempt has started.
    """
    folder = fence.folder
    try:
        fence.claim()
        if _result_is_older(fence):
            (folder / File.JOB_RESULT).unlink()
        (folder / File.FAILURE).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            [Problem("output_dir", f"{folder} cannot be written: {error.strerror or error}")],
            hint="Give a folder that this process may write to (--output-dir).",
        ) from error


def upload_results(mirror: Mirror, fence: Fence, watcher: Watcher | None = None) -> None:
    """Copies up what a run that did all it was asked to has left, its result apart.

    Args:
        mirror: Where to.
        fence: Of the attempt.
        watcher: Is told of the copy of a `checkpoint-final` that this attempt made.
    """
    folder = fence.folder
    for name in (File.MANIFEST, File.METRICS, File.RESULTS, File.EVAL_OUTPUTS, File.USAGE):
        mirror.upload_file(folder / name)
    for pattern in (File.NAMED_RESULTS, File.NAMED_EVAL_OUTPUTS):
        for path in sorted(folder.glob(pattern.format(name="*"))):
            mirror.upload_file(path)
    final = folder / File.FINAL_CHECKPOINT
    if final.is_dir():
        upload_final(final, fence.attempt, mirror)
        with contextlib.suppress(CheckpointError, OSError):  # a newer attempt puts its own there
            # One of an earlier attempt, found finished, has its row already.
            if watcher is not None and manifest.read(final).get("attempt") == fence.attempt:
                watcher.uploaded(final, f"{mirror.uri}/{final.name}")


def leave_result(
    result: JobResult, error: BaseException | None, fence: Fence, mirror: Mirror | None
) -> None:
    """Writes the result, and the traceback of an error; both into the attempt's folder, too.

    Raises:
        SupersededError: A newer attempt has started; nothing was written.
    """
    try:
        fence.check()
        if error is not None and not isinstance(error, KeyboardInterrupt) and result.failure:
            path = _leave_traceback(error, fence)
            result.failure = dataclasses.replace(result.failure, traceback_path=path)
        result.save(fence.attempt_folder / File.JOB_RESULT)
        fence.write(File.JOB_RESULT, result.to_json())
    except OSError as trouble:
        LOG.warning(
            "The result cannot be written to %s: %s", fence.folder / File.JOB_RESULT, trouble
        )
        return
    if mirror is not None:
        try:
            _upload_result(mirror, fence)
        except SupersededError:
            raise
        except TenysonError as trouble:
            LOG.warning("The result is only in the output folder: %s", trouble.message)


def _leave_traceback(error: BaseException, fence: Fence) -> str | None:
    """Returns the file's name; None where it could not be written: the result says what failed."""
    text = hide("".join(traceback.format_exception(error)))
    try:
        write_atomically(fence.attempt_folder / File.FAILURE, text)
        fence.write(File.FAILURE, text)
    except OSError:
        return None
    return str(File.FAILURE)


def _upload_result(mirror: Mirror, fence: Fence) -> None:
    own = attempt_folder(fence.attempt)
    for name in (File.JOB_RESULT, File.FAILURE):
        mirror.upload_file(fence.attempt_folder / name, f"{own}/{name}")
        mirror.upload_file(fence.folder / name)
    # The spool, what was being moved from it, and what the database refused.
    for path in sorted(fence.folder.glob(f"{Path(File.TELEMETRY_SPOOL).stem}*.jsonl")):
        mirror.upload_file(path)
    mirror.upload_file(fence.folder / File.USAGE)


def _result_is_older(fence: Fence) -> bool:
    """Whether there is a result, and it is not of a newer attempt: this one may have slept."""
    try:
        text = (fence.folder / File.JOB_RESULT).read_text(encoding="utf-8")
        return int(json.loads(text).get("attempt", 0)) <= fence.attempt
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, AttributeError):
        return True  # none that anybody can read
