"""The operator as a process, against a real control plane; the test plays the kubelet."""

import base64
import json
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.resource.status import TenysonJobStatus
from tests.controller.api import Namespace, OperatorProcess, eventually, result
from tests.controller.builders import CONFIG, condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def test_a_job_runs_and_its_result_stands_in_the_status(cluster: Any, ns: Namespace) -> None:
    created = ns.create("j", output={"volumeClaim": "data"})
    run = names.run_id(created["metadata"]["uid"])
    assert ns.phase("j", "Starting")["runId"] == run
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.end_pod("j-a0", 0, result())
    status = ns.phase("j", "Succeeded")
    TenysonJobStatus.model_validate(status)
    assert status["result"]["metrics"] == {"train_loss": 0.25}
    assert status["result"]["outputUri"] == f"pvc://data/{ns.name}/j-{run[:8]}"
    assert status["attempts"][0]["class"] == "Completed"
    assert {c["type"] for c in status["conditions"]} == {
        "Accepted",
        "Running",
        "CheckpointAvailable",
        "Complete",
    }
    cluster.kubectl("wait", "--for=condition=Complete", "tj/j", "-n", ns.name, "--timeout=5s")
    shown = cluster.kubectl("get", "tj", "-n", ns.name)
    assert "Succeeded" in shown


def test_a_finished_job_carries_nothing_of_kopf_and_stays_finished(ns: Namespace) -> None:
    ns.create("j")
    ns.run_to_end("j-a0", 0, result())
    ns.phase("j", "Succeeded")
    for found in (ns.job("j"), ns.child("j-a0")):
        assert found is not None
        assert "kopf" not in json.dumps(found)
        assert "finalizers" not in found["metadata"]
    before = ns.job("j")
    apply = "application/apply-patch+yaml"
    path = f"{ns.jobs_path}/j?fieldManager=somebody&force=true"
    ns.api.call("PATCH", path, ns.manifest("j"), apply)
    again = ns.job("j")
    assert before is not None
    assert again is not None
    assert again["status"] == before["status"]
    assert again["metadata"]["generation"] == 1
    assert ns.children() == ["j-a0"]


def test_the_pod_gets_config_token_and_no_rights(ns: Namespace) -> None:
    ns.create("j", resources={"gpus": 1, "cpu": 2, "memory": "1Gi", "sharedMemory": "1Gi"})
    spec = ns.child("j-a0")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    container = spec["containers"][0]
    assert "command" not in container
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "1", "memory": "1Gi"}
    assert {m["mountPath"] for m in container["volumeMounts"]} == {
        "/tenyson/config", "/tenyson/progress", "/tenyson/output", "/tmp", "/dev/shm",
    }  # fmt: skip
    pod = ns.pod("j-a0")
    assert json.loads(pod["metadata"]["annotations"][names.ANNOTATION_CONFIG]) == CONFIG


def test_the_pod_satisfies_the_restricted_standard(ns: Namespace) -> None:
    enforce = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    ns.api.merge(f"/api/v1/namespaces/{ns.name}", enforce)
    ns.create("j", output={"volumeClaim": "data"}, resources={"sharedMemory": "1Gi"})
    assert ns.pod("j-a0")


def test_a_failed_attempt_is_made_again_and_the_budget_ends_it(ns: Namespace) -> None:
    ns.create("j", retry={"maxRetries": 1, **AT_ONCE})
    ns.run_to_end("j-a0", 70, "Traceback: boom")
    ns.run_to_end("j-a1", 71)
    status = ns.phase("j", "Failed")
    assert condition(status, "Failed")["reason"] == "RetriesExhausted"
    assert [a["class"] for a in status["attempts"]] == ["App", "OOM"]
    assert status["retries"] == {"app": 1, "infra": 0}
    assert ns.children() == ["j-a0", "j-a1"]
    (event,) = eventually(lambda: ns.events("InternalError"))
    assert "boom" in event["message"]


def test_the_clusters_failures_have_a_budget_of_their_own(ns: Namespace) -> None:
    ns.create("j", retry={"maxRetries": 0, "maxInfraRetries": 3, **AT_ONCE})
    ns.run_to_end("j-a0", 75)
    ns.run_to_end("j-a1", 137)
    drained = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    ns.run_to_end("j-a2", 1, conditions=[drained])
    ns.run_to_end("j-a3", 0, result())
    status = ns.phase("j", "Succeeded")
    assert [a["class"] for a in status["attempts"]] == [
        "Preempted", "Infra", "Preempted", "Completed",
    ]  # fmt: skip
    assert status["retries"] == {"app": 0, "infra": 3}


@pytest.mark.parametrize("code", [64, 65, 72, 77])
def test_what_a_retry_would_not_change_is_not_retried(ns: Namespace, code: int) -> None:
    failure = {"type": "ConfigError", "message": "no such key", "hint": "remove it"}
    ns.create("j", retry=AT_ONCE)
    ns.run_to_end("j-a0", code, result(status="failed", failure=failure))
    status = ns.phase("j", "Failed")
    assert status["result"]["failure"] == failure
    assert "no such key. remove it" in condition(status, "Failed")["message"]
    assert ns.children() == ["j-a0"]


def test_a_deleted_pod_is_made_up_for(ns: Namespace) -> None:
    ns.create("j", retry=AT_ONCE)
    pod = ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.api.call("DELETE", f"{ns.core}/pods/{pod['metadata']['name']}")
    assert ns.is_stopping("j-a0")
    assert ns.children() == ["j-a0"]
    ns.remove(ns.end_pod("j-a0", 137))
    ns.run_to_end("j-a1", 0, result())
    status = ns.phase("j", "Succeeded")
    assert status["retries"] == {"app": 0, "infra": 1}


def test_a_deleted_child_is_made_up_for(ns: Namespace) -> None:
    ns.create("j", retry=AT_ONCE)
    ns.child("j-a0")
    ns.phase("j", "Starting")
    options = {"propagationPolicy": "Background"}
    ns.api.call("DELETE", f"{ns.batch}/jobs/j-a0", options)
    ns.run_to_end("j-a1", 0, result())
    assert ns.phase("j", "Succeeded")["attempts"][0]["reason"] == "PodDeleted"


def test_a_chain_hands_the_adapter_on(ns: Namespace) -> None:
    output = {"output": {"volumeClaim": "data"}}
    ns.create("eval", type="Eval", adapterFrom={"job": "rl"}, **output)
    ns.create("rl", type="RL", adapterFrom={"job": "sft"}, **output)
    ns.reason("rl", "Running", "DependencyNotFound")
    ns.create("sft", **output)
    ns.reason("rl", "Running", "WaitingForDependency")
    ns.run_to_end("sft-a0", 0, result())
    sft = ns.phase("sft", "Succeeded")
    env = ns.child("rl-a0")["spec"]["template"]["spec"]["containers"][0]["env"]
    values = {variable["name"]: variable.get("value") for variable in env}
    folder = f"/tenyson/output/{ns.name}/sft-{sft['runId'][:8]}"
    assert values["TENYSON_ADAPTER_PATH"] == f"{folder}/checkpoint-final"
    assert values["TENYSON_ADAPTER_SHA256"] == "ab" * 32
    ns.run_to_end("rl-a0", 0, result())
    ns.run_to_end("eval-a0", 0, result())
    ns.phase("eval", "Succeeded")


def test_a_failed_parent_fails_its_children_by_name(ns: Namespace) -> None:
    ns.create("sft", output={"uri": "s3://b/r"})
    ns.create("rl", type="RL", adapterFrom={"job": "sft"})
    ns.create("eval", type="Eval", dependsOn=[{"job": "rl"}])
    ns.run_to_end("sft-a0", 65)
    for job, parent in (("rl", "sft"), ("eval", "rl")):
        failed = condition(ns.phase(job, "Failed"), "Failed")
        assert failed["reason"] == "DependencyFailed"
        assert f"TenysonJob {parent} is Failed" in failed["message"]
    assert ns.children() == ["sft-a0"]


def test_a_circle_is_told_to_all_on_it_and_ends_when_it_is_cut(ns: Namespace) -> None:
    for job, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        ns.create(job, dependsOn=[{"job": parent}])
    for job in "abc":
        assert "a" in ns.reason(job, "Accepted", "DependencyCycle")["message"]
    ns.edit("c", dependsOn=[])
    ns.run_to_end("c-a0", 0, result())
    ns.run_to_end("b-a0", 0, result())
    assert ns.child("a-a0")


def test_an_invalid_config_waits_for_its_correction(ns: Namespace) -> None:
    config = {**CONFIG, "training": {"per_device_train_batch_size": 5}}
    ns.create("j", type="RL", config=config)
    refused = ns.reason("j", "Accepted", "InvalidConfig")
    assert "not divisible by rl.num_generations" in refused["message"]
    assert condition(ns.status("j"), "Stalled")["status"] == "True"
    assert ns.children() == []
    ns.edit("j", config={"training": {"per_device_train_batch_size": 8}})
    assert ns.child("j-a0")
    assert condition(ns.phase("j", "Starting"), "Accepted")["status"] == "True"
    assert eventually(lambda: ns.events("InvalidConfig"))


def test_a_missing_secret_is_waited_for(ns: Namespace) -> None:
    ns.create("j", telemetry={"databaseSecretRef": {"name": "db", "key": "url"}})
    refused = ns.reason("j", "Accepted", "SecretNotFound")
    assert "Secret db does not exist" in refused["message"]
    (event,) = eventually(lambda: ns.events("SecretNotFound"))
    assert "starts by itself" in event["message"]
    secret: dict[str, Any] = {"metadata": {"name": "db"}, "data": {"other": ""}}
    ns.api.call("POST", f"{ns.core}/secrets", secret)
    eventually(lambda: "has no key url" in condition(ns.status("j"), "Accepted")["message"])
    assert ns.children() == []
    url = base64.b64encode(b"sqlite://").decode()
    ns.api.merge(f"{ns.core}/secrets/db", {"data": {"url": url}})
    env = ns.child("j-a0")["spec"]["template"]["spec"]["containers"][0]["env"]
    reference = {"secretKeyRef": {"name": "db", "key": "url"}}
    assert {"name": "TENYSON_TELEMETRY_DB_URL", "valueFrom": reference} in env
    assert not condition(ns.phase("j", "Starting"), "Stalled")


def test_suspend_stops_gracefully_and_resume_goes_on(ns: Namespace) -> None:
    ns.create("j")
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.edit("j", suspend=True)
    eventually(lambda: ns.is_stopping("j-a0"))
    ns.phase("j", "Stopping")
    ns.remove(ns.end_pod("j-a0", 75, result(status="stopped", global_step=2)))
    status = ns.phase("j", "Suspended")
    entry = status["attempts"][0]
    assert (entry["class"], entry["exitCode"], entry["reachedStep"]) == ("Suspended", 75, 2)
    assert ns.children() == []
    ns.edit("j", suspend=False)
    ns.run_to_end("j-a1", 0, result(resumed_from_step=2))
    status = ns.phase("j", "Succeeded")
    assert status["retries"] == {"app": 0, "infra": 0}
    assert status["attempts"][1]["resumedFromStep"] == 2


def test_a_finished_job_is_deleted_after_its_time_to_live(ns: Namespace) -> None:
    ns.create("j", ttlSecondsAfterFinished=1)
    ns.run_to_end("j-a0", 0, result())
    eventually(lambda: ns.job("j") is None)
    eventually(lambda: ns.children() == [])


def test_deleting_a_job_takes_everything_along(ns: Namespace) -> None:
    ns.create("j")
    ns.child("j-a0")
    ns.api.call("DELETE", f"{ns.jobs_path}/j")
    eventually(lambda: ns.children() == [])
    ns.create("j")
    assert ns.child("j-a0")
    ns.phase("j", "Starting")


def test_a_job_that_quota_keeps_back_says_so_and_starts_later(ns: Namespace) -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    ns.api.call("POST", f"{ns.core}/resourcequotas", quota)
    eventually(
        lambda: ns.api.call("GET", f"{ns.core}/resourcequotas/q").get("status", {}).get("used")
    )
    ns.create("j")
    assert "exceeded quota" in ns.reason("j", "Running", "ChildRefused")["message"]
    ns.api.call("DELETE", f"{ns.core}/resourcequotas/q")
    assert ns.child("j-a0")


def test_the_probe_answers(operator: OperatorProcess) -> None:
    health = operator.health()
    assert health is not None
    assert set(health["controller"]) >= {"job_age_seconds", "child_age_seconds", "queue_depth"}
