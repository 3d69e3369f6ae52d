"""A TenysonJob is applied, a pod trains, and what it leaves is where it should be."""

import json
from typing import Any

import pytest

from hack.demo import resources
from hack.demo.summary import count_rows
from tenyson.jobs.result import JobResult

pytestmark = [pytest.mark.cluster, pytest.mark.train]

LONG = {
    "training": {"max_steps": 500, "learning_rate": 0.001, "logging_steps": 50},
    "checkpoint": {"every_steps": 25, "every_seconds": None},
}
"""Long enough to be interrupted, with checkpoints to go on from."""
SECRET_REF = {"databaseSecretRef": {"name": resources.SECRET, "key": "url"}}


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


def test_a_chain_waits_for_its_secret_then_trains_and_is_evaluated(stack: Any) -> None:
    stack.apply("sft", "SFT", telemetry=SECRET_REF)
    stack.apply("rl", "RL", adapterFrom={"job": "sft"}, telemetry=SECRET_REF)
    stack.apply("eval", "Eval", adapterFrom={"job": "rl"}, telemetry=SECRET_REF)
    held = stack.wait("sft", lambda s: condition(s, "Stalled"), "held back")
    accepted = condition(held, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "SecretNotFound")
    assert resources.SECRET in accepted["message"]
    assert "SecretNotFound" in stack.cluster.kubectl("get", "events")

    secret = json.dumps(resources.database_secret(stack.cluster.database_url))
    stack.cluster.kubectl("apply", "-f", "-", stdin=secret)
    sft, rl, evaluation = (stack.succeeded(name) for name in ("sft", "rl", "eval"))

    assert sft["progress"]["step"] == rl["progress"]["totalSteps"] == 6
    assert sft["result"]["adapterSha256"] != rl["result"]["adapterSha256"]
    assert evaluation["result"]["adapterSha256"] == rl["result"]["adapterSha256"]
    assert 0 <= evaluation["result"]["metrics"]["accuracy"] <= 1
    counts = count_rows(stack.cluster.database_url)
    assert counts["sft_metrics"] >= 6
    assert counts["epoch_metrics"] == 6
    assert counts["rollouts"] * 4 == counts["generations"] - 10  # 10 rows were evaluated
    for name, status in (("sft", sft), ("rl", rl), ("eval", evaluation)):
        saved = JobResult.load(stack.output(name) / "job_result.json")
        assert saved.run_id == status["result"]["runId"]
        assert saved.metrics == pytest.approx(status["result"]["metrics"])
        assert saved.telemetry["spooled"] == 0


def test_a_kill_and_a_dead_operator_cost_one_infra_retry_and_no_work(stack: Any) -> None:
    stack.apply("killed", "SFT", LONG)
    stack.wait("killed", lambda s: s.get("phase") == "Running", "Running")
    stack.wait_for_checkpoint("killed")
    stack.controller.kill()
    stack.cluster.node.kill_container(stack.pod("killed")["metadata"]["uid"], "runner")
    stack.start_controller()
    status = stack.succeeded("killed")
    first = status["attempts"][0]
    assert (first["class"], first["exitCode"], first["number"]) == ("Infra", 137, 0)
    assert status["retries"] == {"app": 0, "infra": 1}
    assert status["result"]["resumedFromStep"] >= 25
    assert status["result"]["globalStep"] == 500
    steps = [json.loads(line)["step"] for line in (stack.output("killed") / "metrics.jsonl").open()]
    assert len(steps) == len(set(steps))
    children = stack.cluster.kubectl("get", "jobs", "-o", "name").split()
    assert [c for c in children if "killed" in c] == ["job.batch/killed-a0", "job.batch/killed-a1"]


def test_suspending_saves_and_frees_the_pod_and_going_on_loses_nothing(stack: Any) -> None:
    stack.apply("paused", "SFT", LONG)
    stack.wait("paused", lambda s: s.get("phase") == "Running", "Running")
    stack.wait_for_checkpoint("paused")
    stack.patch("paused", suspend=True)
    held = stack.wait("paused", lambda s: s.get("phase") == "Suspended", "Suspended")
    assert held["attempts"][0]["exitCode"] == 75
    reached = held["attempts"][0]["reachedStep"]
    stack.patch("paused", suspend=False)
    status = stack.succeeded("paused")
    assert status["result"]["resumedFromStep"] == reached
    assert status["retries"] == {"app": 0, "infra": 0}


def test_a_task_that_is_wrong_fails_once_and_says_what_to_do(stack: Any) -> None:
    stack.apply("wrong", "RL", {"task": {"reward": "nan_reward"}})
    status = stack.wait("wrong", lambda s: s.get("phase") == "Failed", "Failed")
    assert (status["attempts"][0]["exitCode"], len(status["attempts"])) == (65, 1)
    assert status["result"]["failure"]["type"] == "RewardError"
    assert "nan_reward" in condition(status, "Failed")["message"]
