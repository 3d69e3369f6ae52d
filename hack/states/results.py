"""What runners leave behind: results made by the runner's own code, as it would make them."""

from tenyson.jobs.outcome.failure import record_failure
from tenyson.jobs.result import JobResult

ADAPTER_SHA256 = "9f2c" * 16


def success(step: int = 300, **fields: object) -> JobResult:
    """Returns the result of a run that did all its steps."""
    return JobResult(
        run_id="set by the controller",
        status="success",
        total_time_seconds=187.4,
        metrics={"train_loss": 0.412, "eval_loss": 0.603},
        job_type="sft",
        global_step=step,
        adapter_sha256=ADAPTER_SHA256,
        **{"resumed_from_step": 0, **fields},  # type: ignore[arg-type]
    )


def stopped(step: int, *, resumed_from: int = 0) -> JobResult:
    """Returns the result of an attempt that was told to stop, and saved."""
    return JobResult(
        run_id="set by the controller",
        status="stopped",
        total_time_seconds=61.0,
        exit_code=75,
        stop_reason="SIGTERM",
        global_step=step,
        resumed_from_step=resumed_from,
    )


def failed(error: BaseException, step: int | None = None) -> JobResult:
    """Returns the result of an attempt that an error ended; None: before it knew a step."""
    result = JobResult(
        run_id="set by the controller",
        status="",
        total_time_seconds=12.0,
        global_step=step,
        resumed_from_step=None if step is None else 0,
    )
    record_failure(result, error)
    return result
