"""The folder that a rank writes to: rank 0 the run's, others one of their own, gone when they end.

Rank 0 alone writes what a run leaves. The others need a place for what a trainer writes anyway, for
a fetched adapter, and for their part of a checkpoint until rank 0 has it.
"""

import logging
import shutil
import traceback
from pathlib import Path

from tenyson.checkpoints.fence import Fence, next_attempt
from tenyson.checkpoints.mirror import Mirror
from tenyson.contract import JobType
from tenyson.distributed.place import RankPlace
from tenyson.errors import ConfigError, Problem, TenysonError

LOG = logging.getLogger("tenyson.ranks")


def open_folder(
    output_dir: Path, output_uri: str | None, place: RankPlace, attempt: int | None
) -> tuple[Fence, Mirror | None]:
    """Returns what an attempt writes through: rank 0 the run's folder, others one of their own.

    Args:
        output_dir: Of the run.
        output_uri: Where copies go; None for nowhere.
        place: This rank's.
        attempt: Number of the attempt; None takes the one after the newest in the folder.

    Raises:
        ConfigError: A rank's own folder cannot be made.
    """
    folder, mirror = output_dir, Mirror(output_uri) if output_uri else None
    if not place.is_main:
        folder, mirror = make_own_folder(output_dir, place.rank), None
    number = next_attempt(folder, mirror) if attempt is None else attempt
    return Fence(folder, number, mirror), mirror


def make_own_folder(output_dir: Path, rank: int) -> Path:
    """Returns the rank's folder, empty; the output folder may be shared with the others, or not.

    Raises:
        ConfigError: It cannot be made.
    """
    folder = _own_folder(output_dir, rank)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            [Problem("output_dir", f"{folder} cannot be written: {error.strerror or error}")],
            hint="Every rank needs an output folder that it may write to (--output-dir).",
        ) from error
    return folder


def leave_own_folder(output_dir: Path, rank: int, error: BaseException | None) -> None:
    """Removes the rank's folder; the trace of an error that nobody expected goes to the log."""
    shutil.rmtree(_own_folder(output_dir, rank), ignore_errors=True)
    if error is not None and not isinstance(error, TenysonError | KeyboardInterrupt):
        LOG.error("%s", "".join(traceback.format_exception(error)))


def refuse_ranks_for_eval(job_type: JobType, ranks: int) -> None:
    """Refuses an Eval job on several ranks.

    Raises:
        ConfigError: Says what to give instead.
    """
    if job_type is JobType.EVAL and ranks > 1:
        raise ConfigError(
            [Problem("ranks", f"an Eval job runs on one, this attempt has {ranks}")],
            hint="Set nodes: 1 and resources.gpus: 1 (or 0), or unset PET_NPROC_PER_NODE.",
        )


def _own_folder(output_dir: Path, rank: int) -> Path:
    return output_dir / f".rank-{rank}"
