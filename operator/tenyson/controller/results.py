"""The run's result as its status holds it."""

from typing import Any

from tenyson.controller import names
from tenyson.controller.observed import Job
from tenyson.controller.outcome import Outcome

_STATUS_BY_REASON = {"Diverged": "diverged", "BudgetReached": "budget"}


def final_result(job: Job, outcome: Outcome) -> dict[str, Any]:
    """Returns the JobResult that the runner left, or what can be told without one."""
    result = dict(outcome.result) if outcome.result is not None else _told(outcome)
    result["runId"] = job.run_id
    result["attempt"] = outcome.number
    if outcome.exit_code is not None:
        result["exitCode"] = outcome.exit_code
    if uri := _output_uri(job, result):
        result["outputUri"] = uri
    return result


def _told(outcome: Outcome) -> dict[str, Any]:
    reason = outcome.kind.reason
    if outcome.kind.attempt_class == "Completed":
        return {"status": _STATUS_BY_REASON.get(reason.word, "success")}
    failure = {"type": reason.word, "message": outcome.message[:2000]}
    return {"status": _STATUS_BY_REASON.get(reason.word, "failed"), "failure": failure}


def _output_uri(job: Job, result: dict[str, Any]) -> str | None:
    """Returns where the files are; a runner on a claim cannot know the claim's name."""
    if result.get("outputUri"):
        return str(result["outputUri"])
    if job.spec is None:
        return None
    place = (job.namespace, job.name, job.run_id)
    if job.spec.output.uri:
        return names.output_uri(job.spec.output.uri, *place)
    if job.spec.output.volume_claim:
        return names.claim_uri(job.spec.output.volume_claim, *place)
    return None
