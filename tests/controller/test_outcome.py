"""How an attempt ended, told by whichever witness knows best."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tenyson.contract import ExitCode
from tenyson.controller.observed import Attempt, Child, Pod
from tenyson.controller.outcome import BY_EXIT_CODE, outcome_of, read_result
from tenyson.controller.resource.status import ResultStatus
from tests.controller.builders import make_child, make_pod, time

DISRUPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "Drain"}]}
ENDINGS: dict[str, dict[str, Any]] = {
    "refusal": {"code": 64},
    "eviction": {"code": 1, "pod_reason": "Evicted"},
    "disruption": {"code": 137, **DISRUPTED},
    "out of memory": {"code": 137, "reason": "OOMKilled"},
    "crash": {"code": 1},
    "killed": {"code": 137},
    "stop": {"code": 75},
    "success": {"code": 0},
}
REASONS = {
    "refusal": "ConfigRefused", "eviction": "Evicted", "disruption": "Disrupted",
    "out of memory": "OutOfMemory", "crash": "Crashed", "killed": "Killed", "stop": "Stopped",
}  # fmt: skip
ORDER = ["refusal", "eviction", "out of memory", "crash", "killed", "stop"]


def rank(index: int, ending: str) -> Pod:
    return replace(make_pod(**ENDINGS[ending]), name=f"p{index}", index=index)


def told(*pods: Pod, child: Child | None = None) -> Any:
    return outcome_of(Attempt(0, child or make_child(ended="Failed"), pods))


@pytest.mark.parametrize("cause", ORDER)
def test_of_several_pods_the_cause_is_the_witness_and_not_its_effects(cause: str) -> None:
    """What one pod's end brings about comes after it in the order, whichever rank it is."""
    for effect in ORDER[ORDER.index(cause) + 1 :]:
        for first, second in ((cause, effect), (effect, cause)):
            found = told(rank(0, first), rank(1, second))
            assert found.kind.reason.word == REASONS[cause], f"{cause} and {effect}"
            assert f"Pod p{(first, second).index(cause)}." in found.detail


@pytest.mark.parametrize(("code", "reason"), [(0, "Succeeded"), (73, "BudgetReached")])
@pytest.mark.parametrize("other", [*ORDER, "disruption"])
def test_what_rank_0_has_saved_no_other_rank_takes_back(code: int, reason: str, other: str) -> None:
    """The Job controller stops the others as soon as one exits with 73."""
    done = make_pod(code=code, message='{"run_id": "r", "status": "s"}')
    for pods in ((done, rank(1, other)), (rank(1, other), done)):
        assert told(*pods).kind.reason.word == reason
        assert told(*pods).result is not None
    peer = replace(make_pod(code=code), index=1)
    assert told(rank(0, other), peer).kind.reason.word == REASONS[other], "it saves nothing"


def test_a_disrupted_pod_tells_more_than_one_that_crashed_for_want_of_it() -> None:
    assert told(rank(0, "crash"), rank(1, "disruption")).kind.reason.word == "Disrupted"


def test_of_equal_witnesses_the_lowest_rank_speaks_and_then_the_newest_pod() -> None:
    assert "Pod p0." in told(rank(1, "crash"), rank(0, "crash"), rank(2, "crash")).detail
    old, new = make_pod(code=1, message="old"), make_pod(code=1, message="new")
    new = replace(new, resource_version=9)
    assert told(old, new).detail == told(new, old).detail == "Exit code 1. new"


def test_a_pod_that_knows_nothing_speaks_for_none_that_does() -> None:
    silent = replace(make_pod(phase="Failed"), index=0)
    assert told(silent, rank(1, "stop")).kind.reason.word == "Stopped"


def test_a_job_that_is_complete_is_told_by_a_pod_that_succeeded() -> None:
    """A queue took the other one back, and the run went on."""
    earlier = replace(rank(0, "stop"), message="earlier")
    done = replace(rank(0, "success"), resource_version=9)
    found = told(earlier, done, child=make_child(ended="Complete"))
    assert (found.kind.reason.word, found.exit_code) == ("Succeeded", 0)
    assert told(earlier, child=make_child(ended="Complete")).exit_code == 0


@pytest.mark.parametrize(
    ("ending", "reason", "attempt_class"),
    [
        ({"code": 64, "pod_reason": "Evicted"}, "ConfigRefused", "App"),
        ({"code": 64, **DISRUPTED}, "ConfigRefused", "App"),
        ({"code": 0, **DISRUPTED}, "Succeeded", "Completed"),
        ({"code": 73, **DISRUPTED}, "BudgetReached", "Completed"),
        ({"code": 137, "reason": "OOMKilled", **DISRUPTED}, "OutOfMemory", "OOM"),
        ({"code": 75, "pod_reason": "Evicted", **DISRUPTED}, "Evicted", "Infra"),
        ({"code": 75, **DISRUPTED}, "Disrupted", "Preempted"),
        ({"code": 134}, "Crashed", "App"),
        ({"phase": "Failed", "pod_reason": "UnexpectedAdmissionError"}, "PodFailed", "Infra"),
    ],
)
def test_what_no_retry_would_change_comes_before_what_the_cluster_did(
    ending: Any, reason: str, attempt_class: str
) -> None:
    found = told(make_pod(**ending))
    assert (found.kind.reason.word, found.kind.attempt_class) == (reason, attempt_class)


def test_every_exit_code_of_the_contract_has_a_meaning() -> None:
    assert set(ExitCode) <= set(BY_EXIT_CODE)
    kinds = BY_EXIT_CODE.items()
    assert {code for code, kind in kinds if not kind.retried} == {0, 64, 65, 72, 73, 77}


def test_a_pod_that_left_nothing_says_where_it_was() -> None:
    gone = replace(make_pod(), gone=True)
    found = outcome_of(Attempt(3, None, (gone,)))
    assert (found.number, found.kind.reason.word, found.node) == (3, "PodDeleted", "node-1")


@pytest.mark.parametrize(
    ("message", "reason", "code"),
    [
        ("Container runner for pod n/p failed with exit code 137 matching", "Killed", 137),
        ("Container runner for pod n/p failed with exit code 3 matching", "Crashed", 3),
        ("Pod n/p has condition DisruptionTarget matching", "Disrupted", None),
        ("Job was active longer than specified deadline", "PodDeleted", None),
    ],
)
def test_a_child_without_pods_tells_what_its_condition_says(
    message: str, reason: str, code: int | None
) -> None:
    found = told(child=make_child(ended="Failed", message=message, ended_at=time(5)))
    assert (found.kind.reason.word, found.exit_code, found.ended_at) == (reason, code, time(5))


def test_times_are_the_containers_own_or_else_the_childs() -> None:
    own = told(make_pod(code=1))
    assert (own.started_at, own.ended_at) == (time(), time(60))
    silent = make_pod(phase="Failed", pod_reason="Evicted")
    assert told(silent, child=make_child(ended="Failed", ended_at=time(9))).ended_at == time(9)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "boom",
        "[]",
        "null",
        '{"run_id": "r"}',
        '{"status": "success"}',
        '{"run_id": 5, "status"',
    ],
)
def test_what_is_no_result_is_none(message: str) -> None:
    assert read_result(message) is None


def test_a_result_is_read_as_far_as_the_resource_can_hold_it() -> None:
    given = {
        "run_id": "r", "status": "success", "global_step": -4, "unknown": 1, "wandb_url": "",
        "metrics": {"a": 1, "b": float("inf"), "c": True, "d": "x"}, "artifacts": [{"kind": 7}],
        "adapter_sha256": "f00", "total_time_seconds": 2.5,
    }  # fmt: skip
    found = read_result(json.dumps(given))
    assert found == {
        "runId": "r", "status": "success", "metrics": {"a": 1.0}, "adapterSha256": "f00",
        "totalTimeSeconds": 2.5,
    }  # fmt: skip
    ResultStatus.model_validate(found)


def test_a_result_without_a_readable_name_is_none() -> None:
    assert read_result(json.dumps({"run_id": ["r"], "status": "success"})) is None


@pytest.mark.parametrize("count", [256, 300])
def test_no_runner_can_flood_the_status_with_metrics(count: int) -> None:
    metrics = {f"m{i}": i for i in range(count)}
    found = read_result(json.dumps({"run_id": "r", "status": "success", "metrics": metrics}))
    assert found is not None
    assert len(found["metrics"]) == 256


def test_a_failure_and_a_cost_of_a_newer_runner_are_read_as_far_as_they_are_known() -> None:
    failure = {"type": "E", "message": "", "hint": "", "traceback_path": "failure.txt", "new": 1}
    cost = {"amount": 0.0, "currency": "USD", "rate": 2.5, "forecast": 7}
    tokens = {"prompt": 1, "completion": 0, "trained": 5}
    said = {"run_id": "r", "status": "failed", "failure": failure, "cost": cost, "tokens": tokens}

    found = read_result(json.dumps(said))

    assert found is not None
    assert found["failure"] == {"type": "E", "message": "", "tracebackPath": "failure.txt"}
    assert found["cost"] == {"amount": 0.0, "currency": "USD", "rate": 2.5}
    assert found["tokens"] == tokens
