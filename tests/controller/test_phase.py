"""The phase that people see, from the conditions that programs read; and the status' size."""

import itertools
from typing import Any

import orjson
import pytest

from tenyson.controller.phase import phase
from tenyson.controller.resource.status import TenysonJobStatus
from tenyson.controller.status import Draft
from tenyson.controller.status_size import MAX_BYTES
from tests.controller.builders import NOW, make_job, time

TRUE, FALSE, ABSENT = "True", "False", ""
KINDS = ("Complete", "Failed", "Suspended", "Admitted", "Running", "Stalled", "Reconciling")


def phase_of(ending: str = "", reason: str = "Starting", **held: str) -> str:
    given = {kind: {"status": status, "reason": reason} for kind, status in held.items() if status}
    return phase(given, {"child": {"ending": {"reason": ending}}} if ending else {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "Pending"),
        ({"Complete": TRUE, "Running": FALSE}, "Succeeded"),
        ({"Failed": TRUE, "reason": "Crashed"}, "Failed"),
        ({"Failed": TRUE, "reason": "DeadlineExceeded"}, "Failed"),
        ({"Failed": TRUE, "reason": "StopRequested"}, "Stopped"),
        ({"Suspended": TRUE, "ending": "Suspending"}, "Suspended"),
        ({"Suspended": FALSE, "Running": TRUE, "ending": "Suspending"}, "Stopping"),
        ({"Running": FALSE, "reason": "PodLeaving"}, "Stopping"),
        ({"Admitted": FALSE, "Running": FALSE}, "Queued"),
        ({"Admitted": FALSE, "Running": FALSE, "ending": "Stopping"}, "Stopping"),
        ({"Admitted": TRUE, "Running": FALSE}, "Starting"),
        ({"Running": TRUE, "reason": "Running"}, "Running"),
        ({"Running": FALSE, "reason": "Settling"}, "Running"),
        *(
            ({"Running": FALSE, "reason": reason}, "Starting")
            for reason in ("Starting", "PodWaiting", "PodMissing", "RunningPartly")
        ),
        *(
            ({"Running": FALSE, "reason": reason}, "Pending")
            for reason in ("BackingOff", "WaitingForDependency", "InvalidConfig", "NameTaken")
        ),
    ],
)
def test_the_phase_is_the_conditions_in_one_word(given: Any, expected: str) -> None:
    assert phase_of(**given) == expected


def test_every_combination_has_a_phase_and_the_end_outshines_all() -> None:
    """Conditions that outlast their time, as Suspended might, must not hide how a run ended."""
    seen = set()
    for values in itertools.product((TRUE, FALSE, ABSENT), repeat=len(KINDS)):
        held = dict(zip(KINDS, values, strict=True))
        found = phase_of(**held)
        seen.add(found)
        if held["Complete"] == TRUE:
            assert found == "Succeeded"
        elif held["Failed"] == TRUE:
            assert found == "Failed"
        else:
            assert found not in ("Succeeded", "Failed", "Stopped")
            assert (found == "Suspended") is (held["Suspended"] == TRUE)
    assert seen == {
        "Succeeded", "Failed", "Suspended", "Queued", "Running", "Starting", "Pending",
    }  # fmt: skip


@pytest.mark.parametrize("letter", ["x", "é", "漢", '"'])
def test_a_status_that_holds_the_most_of_everything_fits_into_32_kib(letter: str) -> None:
    text = letter * 1024
    kinds = (*KINDS, "Accepted", "CheckpointAvailable", "ProgressDeadlineExceeded")
    held = [
        {"type": kind, "status": "False", "reason": "R" * 64, "message": letter * 8000,
         "lastTransitionTime": time(), "observedGeneration": 1}
        for kind in kinds
    ]  # fmt: skip
    attempts = [
        {"number": n, "class": "Preempted", "reason": "R" * 64, "exitCode": 137, "node": "n" * 253,
         "startTime": time(), "endTime": time(), "resumedFromStep": 2**31 - 1, "reachedStep": 1}
        for n in range(10)
    ]  # fmt: skip
    status: dict[str, Any] = {
        "conditions": held, "attempts": attempts, "pinned": "x" * (16 * 1024 - 2),
        "child": {"job": "j", "configHash": "c", "ending": {"reason": "R", "message": text}},
        "progress": {"metrics": {f"{letter * 120}{n}": 1.5 for n in range(64)}},
        # What a runner says is within the 4 KiB of a termination message.
        "result": {"runId": "r", "status": "failed", "artifacts": [{"path": text}] * 64,
                   "warnings": [text] * 32, "wandbUrl": letter * 512,
                   "failure": {"type": "T", "message": letter * 1000, "hint": letter * 300}},
    }  # fmt: skip
    found = Draft(make_job(status=status), NOW).finished()
    TenysonJobStatus.model_validate(found)
    assert len(orjson.dumps(found)) <= MAX_BYTES
    assert found["result"]["failure"]["message"], "why a run failed is the last to go"
    assert all(condition["message"] for condition in found["conditions"])
