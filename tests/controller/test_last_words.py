"""What a run that was ended says about how far it came."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.plan import plan
from tests.controller.builders import (
    NOW,
    condition,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)

PROGRESS = {"step": 120, "totalSteps": 300, "percent": 40, "updatedAt": time()}


def ended(code: int, step: int | None, progress: Any = PROGRESS) -> dict[str, Any]:
    """The status of a run that spec.stop ended."""
    ending = {"reason": "Stopping", "message": "spec.stop is true."}
    status = {
        "attempt": 0, "startTime": time(), "retries": {"app": 0, "infra": 0},
        "child": {"job": "j-a0", "configHash": "c", "madeAt": time(), "ending": ending},
        **({"progress": progress} if progress else {}),
    }  # fmt: skip
    said = {"run_id": "r", "status": "stopped", "global_step": step}
    pod = make_pod(code=code, message=json.dumps(said) if step is not None else "")
    done = plan(observe(make_job(status=status, stop=True), make_child(ended="Failed"), pod), NOW)
    assert done.status is not None
    return done.status


def test_a_stopped_run_says_at_which_step_it_saved() -> None:
    status = ended(75, 124)
    told = "The run was ended by spec.stop. It saved its state at step 124."
    assert condition(status, "Failed")["message"] == told


def test_a_run_that_did_not_save_in_time_says_so() -> None:
    told = "The run was ended by spec.stop. It was killed before it had saved (exit code 137)."
    assert condition(ended(137, None), "Failed")["message"] == told


@pytest.mark.parametrize(
    ("step", "progress", "shown"),
    [
        (124, PROGRESS, {**PROGRESS, "step": 124, "percent": 41}),
        (124, None, {"step": 124}),
        (0, PROGRESS, PROGRESS),
        (None, PROGRESS, PROGRESS),
    ],
)
def test_the_progress_ends_at_the_last_step_that_anybody_told(
    step: int | None, progress: Any, shown: Any
) -> None:
    assert ended(75, step, progress)["progress"] == shown


def test_a_pending_deadline_tells_what_the_pod_waits_for_now() -> None:
    """The status may still say what it waited for before: such news are held back a while."""
    before = [{"type": "Running", "status": "False", "reason": "Starting", "message": "Made.",
               "lastTransitionTime": time()}]  # fmt: skip
    status = {
        "attempt": 0, "startTime": time(), "retries": {"app": 0, "infra": 0},
        "child": {"job": "j-a0", "configHash": "c", "madeAt": time()}, "conditions": before,
    }  # fmt: skip
    pod = replace(make_pod(phase="Pending"), waiting="Unschedulable: no GPU")
    job = make_job(status=status, pendingDeadlineSeconds=60)
    done = plan(observe(job, make_child(), pod), NOW + timedelta(seconds=60))
    assert done.status is not None
    assert "Unschedulable: no GPU" in condition(done.status, "Running")["message"]
    assert condition(done.status, "Running")["reason"] == "PendingTooLong"
