"""The run's result as its status holds it."""

from typing import Any

from tenyson.controller import names
from tenyson.controller.observed import Job
from tenyson.controller.outcome import Outcome
from tenyson.controller.resource.run import Output

_STATUS_BY_REASON = {
    "Diverged": "diverged",
    "BudgetReached": "budget",
    "StopRequested": "stopped",
}


def final_result(
    job: Job, outcome: Outcome, output: Output, cost: dict[str, Any] | None
) -> dict[str, Any]:
    """Returns the JobResult that the runner left, or what can be told without one."""
    result = dict(outcome.result) if outcome.result is not None else _told(outcome)
    if outcome.kind.reason.word in _STATUS_BY_REASON:
        # The runner only knows that it was told to stop.
        result["status"] = _STATUS_BY_REASON[outcome.kind.reason.word]
    result["runId"] = job.run_id
    result["attempt"] = outcome.number
    if outcome.exit_code is not None:
        result["exitCode"] = outcome.exit_code
    if cost is not None:
        result["cost"] = cost
    if uri := _output_uri(job, result, output):
        result["outputUri"] = uri
    return result


def result_without_attempt(job: Job, status: str, cost: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the result of a run that ended between two attempts, or before its first."""
    last = job.status.get("result") or {}
    return {**last, "runId": job.run_id, "status": status, **({"cost": cost} if cost else {})}


def _told(outcome: Outcome) -> dict[str, Any]:
    reason = outcome.kind.reason
    if outcome.kind.attempt_class == "Completed":
        return {"status": _STATUS_BY_REASON.get(reason.word, "success")}
    failure = {"type": reason.word, "message": outcome.message[:2000]}
    return {"status": _STATUS_BY_REASON.get(reason.word, "failed"), "failure": failure}


def _output_uri(job: Job, result: dict[str, Any], output: Output) -> str | None:
    """Returns where the files are, as the spec says; else where the pod says.

    Another run may start from what lies there, so a pod's word does not outweigh the spec's. And a
    runner on a claim cannot know the claim's name.
    """
    place = (job.namespace, job.name, job.run_id)
    if output.uri:
        return names.output_uri(output.uri, *place)
    if output.volume_claim:
        return names.claim_uri(output.volume_claim, *place)
    return str(result["outputUri"]) if result.get("outputUri") else None
