"""From an exception to what a JobResult says of it: status, exit code, what to do next."""

import errno

from tenyson.contract import ExitCode, File
from tenyson.errors import (
    BudgetError,
    CheckpointError,
    DependencyError,
    DivergedError,
    OutOfMemoryError,
    StoppedError,
    TenysonError,
)
from tenyson.jobs.result import Failure, JobResult
from tenyson.jobs.stop import Interruption

TRAINING_LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")


def as_tenyson_error(error: BaseException) -> TenysonError | None:
    """Returns the error as one of ours where it stands for a known condition, else None."""
    if isinstance(error, TenysonError):
        return error
    if isinstance(error, Interruption):
        return StoppedError(
            f"Stopped on request ({error}) while it started.",
            hint="The next attempt begins where this one would have.",
        )
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(
            "Interrupted.", hint="Start it again to go on from the last checkpoint."
        )
    if is_out_of_memory(error):
        return OutOfMemoryError(
            f"Out of memory: {_first_line(error)}",
            hint="Lower per_device_train_batch_size (and raise gradient_accumulation_steps), "
            "max_length or max_completion_length, or use a bigger GPU.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DependencyError(
            f"No space left: {error}.",
            hint="Give the output folder more space, or keep fewer checkpoints (checkpoint.keep).",
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that memory ran out, on a device or in the host."""
    names = {cls.__name__ for cls in type(error).__mro__}
    message = str(error)
    return (
        isinstance(error, MemoryError)
        or ("OutOfMemoryError" in names and not isinstance(error, TenysonError))
        or (isinstance(error, RuntimeError) and "not enough memory" in message)
        or (isinstance(error, RuntimeError) and "CUDA out of memory" in message)
    )


def missing_library(error: ImportError, what: str) -> DependencyError | None:
    """Returns what to install where a training library is missing; None if it is another import."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    library = error.name.partition(".")[0]
    if library not in TRAINING_LIBRARIES:
        return None
    return DependencyError(
        f"{what} needs {library}.",
        hint="Install tenyson[train], or launch the job with a cloud manager.",
    )


def record_failure(result: JobResult, error: BaseException) -> None:
    """Writes into `result` how the run ended."""
    known = as_tenyson_error(error)
    if isinstance(known, StoppedError):
        result.status, result.stop_reason = "stopped", known.message
    elif isinstance(known, BudgetError):
        result.status, result.stop_reason = "budget", known.message
    else:
        result.status = "diverged" if isinstance(known, DivergedError) else "failed"
    result.exit_code = int(known.exit_code if known else ExitCode.INTERNAL)
    result.failure = _failure_of(known or error)


def _failure_of(error: BaseException) -> Failure:
    if isinstance(error, TenysonError):
        hint = error.hint
        if isinstance(error, CheckpointError) and not hint:
            hint = "Set checkpoint.resume: never to start anew, or use another output folder."
        return Failure(type(error).__name__, error.message, hint)
    hint = f"This is not an error Tenyson knows; {File.FAILURE} in the output folder has its trace."
    return Failure(type(error).__name__, str(error) or type(error).__name__, hint)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
