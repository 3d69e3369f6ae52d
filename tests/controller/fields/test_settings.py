"""What the runner is told: image, env, telemetry, checkpoint, the Hub; and what a run may cost."""

import json
import time
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import CONFIG, condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

DEAR = {"pricePerHour": 3600}
"""A unit of currency for each second."""


def env(ns: Namespace) -> dict[str, Object]:
    container = ns.child("j-a0")["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable for variable in container["env"]}


def config(ns: Namespace) -> Any:
    annotations = ns.child("j-a0")["spec"]["template"]["metadata"]["annotations"]
    return json.loads(annotations[names.ANNOTATION_CONFIG])


def make_secret(ns: Namespace, name: str, key: str) -> None:
    body = {"metadata": {"name": name}, "stringData": {key: "secret"}}
    ns.api.call("POST", f"{ns.core}/secrets", body)


def test_the_command_line_names_type_config_and_task(ns: Namespace) -> None:
    ns.create("j", type="Eval", task="a.b:Task", image="own:1")
    container = ns.child("j-a0")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "own:1"
    assert container["args"] == [
        "--job-type", "eval", "--config", "/tenyson/config/config.json", "--task-module",
        "a.b:Task",
    ]  # fmt: skip


def test_variables_come_from_values_secrets_and_config_maps(ns: Namespace) -> None:
    make_secret(ns, "s", "token")
    ns.api.call("POST", f"{ns.core}/configmaps", {"metadata": {"name": "m"}, "data": {"k": "v"}})
    secret = {"secretKeyRef": {"name": "s", "key": "token"}}
    config_map = {"configMapKeyRef": {"name": "m", "key": "k"}}
    ns.create(
        "j",
        env=[
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": secret},
            {"name": "C", "valueFrom": config_map},
        ],
    )
    found = env(ns)
    assert found["A"]["value"] == "1"
    assert found["B"]["valueFrom"] == secret
    assert found["C"]["valueFrom"] == config_map
    assert found["TENYSON_ATTEMPT"]["value"] == "0"


@pytest.mark.parametrize("kind", ["secretKeyRef", "configMapKeyRef"])
def test_what_a_variable_comes_from_must_exist(ns: Namespace, kind: str) -> None:
    ns.create("j", env=[{"name": "A", "valueFrom": {kind: {"name": "x", "key": "k"}}}])
    reason = "SecretNotFound" if kind == "secretKeyRef" else "ConfigMapNotFound"
    assert "x does not exist (key k is needed)" in ns.reason("j", "Accepted", reason)["message"]
    assert ns.children() == []


def test_checkpoint_settings_reach_the_runners_configuration(ns: Namespace) -> None:
    inner = {**CONFIG, "checkpoint": {"every_seconds": 60, "keep": 9}}
    ns.create("j", config=inner, checkpoint={"everySteps": 5, "keep": 2, "resume": "Never"})
    assert config(ns)["checkpoint"] == {
        "every_seconds": 60, "every_steps": 5, "keep": 2, "resume": "never",
    }  # fmt: skip


def test_without_lasting_output_checkpoints_are_said_to_vanish(ns: Namespace) -> None:
    ns.create("j")
    ns.create("kept", output={"uri": "s3://bucket/runs"})
    status = ns.phase("j", "Starting")
    assert condition(status, "CheckpointAvailable")["reason"] == "NotKept"
    status = ns.phase("kept", "Starting")
    assert condition(status, "CheckpointAvailable")["reason"] == "NotSaved"


def test_the_hub_is_told_with_its_token(ns: Namespace) -> None:
    hub = {"repo": "team/adapter", "private": False,
           "tokenSecretRef": {"name": "hub", "key": "token"}}  # fmt: skip
    ns.create("j", output={"hub": hub})
    assert "Secret hub does not exist" in ns.reason("j", "Accepted", "SecretNotFound")["message"]
    make_secret(ns, "hub", "token")
    found = env(ns)
    assert found["TENYSON_HUB_REPO"]["value"] == "team/adapter"
    assert found["TENYSON_HUB_PRIVATE"]["value"] == "false"
    assert found["HF_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "hub", "key": "token"}
    pushed = {"hf_repo_id": "team/adapter", "hf_revision": "ab12"}
    ns.run_to_end("j-a0", 0, result(**pushed))
    told = ns.phase("j", "Succeeded")["result"]
    assert (told["hfRepoId"], told["hfRevision"]) == ("team/adapter", "ab12")


def test_a_hub_without_a_repository_pushes_nothing(ns: Namespace) -> None:
    ns.create("j", output={"hub": {"repo": None, "tokenSecretRef": {"name": "x", "key": "k"}}})
    assert not {"TENYSON_HUB_REPO", "HF_TOKEN"} & set(env(ns))


def test_the_result_tells_what_the_run_has_cost(ns: Namespace) -> None:
    ns.create("j", budget={**DEAR, "currency": "EUR"}, nodes=2)
    pods = [ns.run(pod) for pod in ns.pods("j-a0", 2)]
    ns.phase("j", "Running")
    time.sleep(2)  # running time is told by times to the second
    for pod in pods:
        ns.end(pod, 0, result())
    status = ns.phase("j", "Succeeded")
    cost = status["result"]["cost"]
    assert cost["currency"] == "EUR"
    assert cost["amount"] == pytest.approx(2 * status["activeSeconds"], abs=0.2)
    assert cost["amount"] > 0


def test_a_run_stops_with_its_result_when_its_budget_is_spent(ns: Namespace) -> None:
    ns.create("j", budget={**DEAR, "maxCost": 2})
    ns.run_pod("j-a0")
    status = ns.phase("j", "Stopping")
    assert status["child"]["ending"]["reason"] == "BudgetSpent"
    assert "of spec.budget.maxCost 2.0 USD" in status["child"]["ending"]["message"]
    eventually(lambda: ns.is_stopping("j-a0"))
    pod = ns.end_pod("j-a0", 75, result(status="stopped", global_step=2))
    ns.remove(pod)
    status = ns.phase("j", "Succeeded")
    assert condition(status, "Complete")["reason"] == "BudgetReached"
    assert status["result"]["status"] == "budget"
    assert status["result"]["cost"]["amount"] >= 2
    assert status["retries"] == {"app": 0, "infra": 0}


def test_a_budget_that_the_runner_reached_is_a_success(ns: Namespace) -> None:
    ns.create("j")
    ns.run_to_end("j-a0", 73, result(status="budget", stop_reason="max_minutes"))
    status = ns.phase("j", "Succeeded")
    assert condition(status, "Complete")["reason"] == "BudgetReached"
    assert status["result"]["status"] == "budget"


def test_modal_is_refused_with_a_sentence_until_its_bridge_is_there(ns: Namespace) -> None:
    modal = {"gpu": ["H100"], "tokenSecretRef": {"name": "modal-token"}}
    ns.create("j", backend="Modal", modal=modal)
    refused = ns.reason("j", "Accepted", "BackendNotSupported")
    assert "make the job with backend: Kubernetes" in refused["message"]
    assert condition(ns.status("j"), "Stalled")["status"] == "True"
    assert ns.children() == []
    ns.edit("j", backend="Kubernetes")
    assert ns.child("j-a0")
