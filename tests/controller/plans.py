"""What the tests of `plan` have in common."""

import json
from typing import Any

from tenyson.controller.plan import Plan, plan
from tenyson.controller.resource.status import TenysonJobStatus
from tests.controller.builders import (
    NOW,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)

RUNNING = {
    "attempt": 0, "startTime": time(), "retries": {"app": 0, "infra": 0},
    "child": {"job": "j-a0", "configHash": "c", "madeAt": time()},
}  # fmt: skip
RESULT = json.dumps(
    {
        "run_id": "r", "status": "success", "total_time_seconds": 2.5, "global_step": 4,
        "metrics": {"train_loss": 0.5, "bad": float("nan")}, "adapter_sha256": "abc",
        "some_new_field": 1,
    }
)  # fmt: skip


def wanted(outcome: Plan) -> dict[str, Any]:
    assert outcome.status is not None
    TenysonJobStatus.model_validate(outcome.status)
    return outcome.status


def after(code: int, **more: Any) -> Plan:
    """The pass after attempt 0 ended with an exit code."""
    spec, status = more.pop("spec", {}), more.pop("status", RUNNING)
    child = make_child(ended="Failed" if code else "Complete")
    return plan(observe(make_job(status=status, **spec), child, make_pod(code=code, **more)), NOW)


def env_of(done: Plan) -> dict[str, str]:
    assert done.create
    container = done.create[-1]["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}
