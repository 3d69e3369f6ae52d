"""One JobResult from those of several ranks of a pod."""

import json
from collections.abc import Sequence
from pathlib import Path

from tenyson.contract import ExitCode, File, most_telling
from tenyson.distributed.launcher import Ended
from tenyson.jobs.result import Failure, JobResult


def result_of(ended: Sequence[Ended], otherwise: JobResult) -> JobResult:
    """Returns the result of the rank whose end tells most; among equals, of the lowest.

    Args:
        ended: How the pod's ranks ended.
        otherwise: The result to fill where that rank left none.
    """
    # A killed rank tells nothing; what the others made of it does: whether a checkpoint is there.
    telling = [e for e in ended if e.exit_code is not None]
    lost = [e for e in ended if e.exit_code is None]
    code = most_telling(e.exit_code or 0 for e in telling) if telling else ExitCode.INTERNAL
    if lost and code == ExitCode.DONE:
        code = ExitCode.DEPENDENCY
    chosen = next((e for e in telling if e.exit_code == code), (lost or telling)[0])
    result = _read(chosen) or otherwise
    result.exit_code = int(code)
    if result is otherwise and code != ExitCode.DONE:
        result.status = "stopped" if code == ExitCode.STOPPED else "failed"
        result.failure = Failure("RankError", f"Rank {chosen.rank} {chosen.how}.")
    if lost and result.failure and chosen not in lost:
        told = "; ".join(f"rank {e.rank} {e.how}" for e in lost)
        failure = result.failure
        result.failure = Failure(failure.type, f"{failure.message} ({told})", failure.hint)
    return result


def has_left_result(folder: Path, attempt: int) -> bool:
    """Whether the output folder has the result of this attempt, or of a newer one."""
    try:
        return JobResult.load(folder / File.JOB_RESULT).attempt >= attempt
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _read(ended: Ended) -> JobResult | None:
    try:
        return JobResult.from_dict(json.loads(ended.message.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None
