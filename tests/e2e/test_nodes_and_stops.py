"""Runs on two nodes, and runs that are stopped: with real pods and real training."""

import json
from typing import Any

import pytest

from tenyson.jobs.result import JobResult

pytestmark = [pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(900)]

LONG = {
    "training": {"max_steps": 500, "learning_rate": 0.001, "logging_steps": 50},
    "checkpoint": {"every_steps": 25, "every_seconds": None},
}


def step(status: dict[str, Any]) -> int:
    return (status.get("progress") or {}).get("step") or 0


def test_two_nodes_train_together_and_go_on_together_after_one_was_killed(stack: Any) -> None:
    stack.apply("pair", "SFT", LONG, nodes=2)
    running = stack.wait("pair", lambda s: s.get("phase") == "Running", "Running")
    assert running["attempt"] == 0
    stack.wait_for_checkpoint("pair")
    stack.cluster.node.kill_container(stack.pod("pair")["metadata"]["uid"], "runner")
    again = stack.wait("pair", lambda s: s.get("attempt") == 1, "tried again")
    assert again["attempts"][0]["class"] in ("Infra", "Preempted")
    stack.wait("pair", lambda s: step(s) > 25, "making steps again")
    stack.patch("pair", stop=True)
    status = stack.wait_for_phase("pair", "Stopped")
    assert status["attempts"][1]["resumedFromStep"] >= 25
    assert status["result"]["status"] == "stopped"
    manifest = json.loads((stack.output("pair") / "run_manifest.json").read_text())
    assert manifest["ranks"] == 2


def test_a_stopped_run_saves_and_keeps_its_result(stack: Any) -> None:
    stack.apply("stopped", "SFT", LONG)
    stack.wait("stopped", lambda s: step(s) > 0, "making steps")
    stack.patch("stopped", stop=True)
    status = stack.wait_for_phase("stopped", "Stopped")
    saved = JobResult.load(stack.output("stopped") / "job_result.json")
    assert saved.global_step == status["result"]["globalStep"] > 0
    reached = status["result"]["globalStep"]
    assert (stack.output("stopped") / "attempt-0" / f"checkpoint-{reached}").is_dir()
