"""Runtimes: whose word wins, what is pinned, and what keeps a job waiting."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import Api, Namespace, eventually, result
from tests.controller.builders import CONFIG, condition
from tests.controller.fields.runtimes import TEAM, make_runtime

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

CLUSTER_RUNTIMES = f"/apis/{names.API_VERSION}/{names.CLUSTER_RUNTIME_PLURAL}"
AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


@pytest.fixture
def default_runtime(api: Api) -> Iterator[Any]:
    """Makes the ClusterTenysonRuntime that jobs get which name none; gone after the test."""

    def make(**spec: Any) -> None:
        body = {
            "apiVersion": names.API_VERSION, "kind": names.CLUSTER_RUNTIME_KIND,
            "metadata": {"name": names.DEFAULT_RUNTIME}, "spec": spec,
        }  # fmt: skip
        api.call("POST", CLUSTER_RUNTIMES, body)

    yield make
    api.call("DELETE", f"{CLUSTER_RUNTIMES}/{names.DEFAULT_RUNTIME}")


def pod_spec(ns: Namespace, child: str = "j-a0") -> Object:
    return dict(ns.child(child)["spec"]["template"]["spec"])


def env(ns: Namespace, child: str = "j-a0") -> dict[str, Object]:
    return {variable["name"]: variable for variable in pod_spec(ns, child)["containers"][0]["env"]}


def config(ns: Namespace, child: str = "j-a0") -> Any:
    annotations = ns.child(child)["spec"]["template"]["metadata"]["annotations"]
    return json.loads(annotations[names.ANNOTATION_CONFIG])


def test_without_any_runtime_a_job_runs_with_the_controllers_image(ns: Namespace) -> None:
    ns.create("j")
    assert pod_spec(ns)["containers"][0]["image"] == "runner:test"
    status = ns.phase("j", "Starting")
    assert "pinned" not in status
    assert "runtimeHash" not in status["child"]


def test_the_default_runtime_serves_jobs_that_name_none(
    ns: Namespace, default_runtime: Any
) -> None:
    default_runtime(
        image="cluster:1",
        env=[{"name": "A", "value": "cluster"}, {"name": "B", "value": "cluster"}],
        output={"uri": "s3://bucket/runs"},
        checkpoint={"everySteps": 7, "keep": 5},
        retry={"maxRetries": 0},
    )
    ns.create("j", env=[{"name": "B", "value": "job"}], checkpoint={"keep": 2})
    run = ns.phase("j", "Starting")["runId"]
    assert pod_spec(ns)["containers"][0]["image"] == "cluster:1"
    values = {name: variable.get("value") for name, variable in env(ns).items()}
    assert (values["A"], values["B"]) == ("cluster", "job")
    assert values["TENYSON_OUTPUT_URI"] == f"s3://bucket/runs/{ns.name}/j-{run[:8]}"
    assert config(ns)["checkpoint"] == {"every_steps": 7, "keep": 2}
    ns.run_to_end("j-a0", 70)
    assert condition(ns.phase("j", "Failed"), "Failed")["reason"] == "RetriesExhausted"


def test_the_jobs_word_wins_field_by_field(ns: Namespace) -> None:
    make_runtime(
        ns, image="team:1", output={"uri": "s3://team", "volumeClaim": "team"},
        checkpoint={"everySteps": 1, "everySeconds": 1, "keep": 1, "resume": "Never"},
        retry={"maxRetries": 0, **AT_ONCE},
    )  # fmt: skip
    ns.create(
        "j", runtimeRef=TEAM, image="own:1", output={"volumeClaim": "own"},
        config={**CONFIG, "checkpoint": {"every_steps": 2, "every_seconds": 2}},
        checkpoint={"everySteps": 3, "resume": 12}, retry={"maxRetries": 1},
    )  # fmt: skip
    spec = pod_spec(ns)
    assert spec["containers"][0]["image"] == "own:1"
    (claim,) = [v["persistentVolumeClaim"] for v in spec["volumes"] if v["name"] == "output"]
    assert claim["claimName"] == "own"
    assert env(ns)["TENYSON_OUTPUT_URI"]["value"].startswith("s3://team/")
    assert config(ns)["checkpoint"] == {
        "every_steps": 3, "every_seconds": 2, "keep": 1, "resume": 12,
    }  # fmt: skip
    ns.run_to_end("j-a0", 70)
    ns.phase("j", "Starting", attempt=1)


def test_a_runtimes_secret_is_looked_up_in_the_jobs_namespace(ns: Namespace) -> None:
    make_runtime(ns, telemetry={"databaseSecretRef": {"name": "db", "key": "url"}})
    ns.create("j", runtimeRef=TEAM)
    refused = ns.reason("j", "Accepted", "SecretNotFound")
    assert (
        f"Secret db does not exist (key url is needed). Create it in namespace {ns.name}"
        in (refused["message"])
    )
    secret = {"metadata": {"name": "db"}, "stringData": {"url": "sqlite://"}}
    ns.api.call("POST", f"{ns.core}/secrets", secret)
    reference = {"secretKeyRef": {"name": "db", "key": "url"}}
    assert ns.child("j-a0")
    assert env(ns)["TENYSON_TELEMETRY_DB_URL"]["valueFrom"] == reference


def test_a_missing_runtime_is_named_and_waited_for(ns: Namespace) -> None:
    ns.create("j", runtimeRef=TEAM)
    refused = ns.reason("j", "Accepted", "RuntimeNotFound")
    assert "TenysonRuntime team, which does not exist" in refused["message"]
    assert condition(ns.status("j"), "Stalled")["status"] == "True"
    assert ns.children() == []
    make_runtime(ns, image="team:1")
    assert pod_spec(ns)["containers"][0]["image"] == "team:1"
    assert not condition(ns.phase("j", "Starting"), "Stalled")


def test_a_started_run_keeps_the_runtime_that_it_began_with(ns: Namespace) -> None:
    path = make_runtime(ns, image="team:1", env=[{"name": "A", "value": "1"}])
    ns.create("j", runtimeRef=TEAM, retry=AT_ONCE)
    first = ns.phase("j", "Starting")
    ns.api.merge(path, {"spec": {"image": "team:2", "env": [{"name": "A", "value": "2"}]}})
    ns.create("later", runtimeRef=TEAM)
    assert pod_spec(ns, "later-a0")["containers"][0]["image"] == "team:2"
    ns.run_to_end("j-a0", 75)
    assert pod_spec(ns, "j-a1")["containers"][0]["image"] == "team:1"
    assert env(ns, "j-a1")["A"]["value"] == "1"
    second = ns.phase("j", "Starting", attempt=1)
    assert second["child"]["runtimeHash"] == first["child"]["runtimeHash"]
    assert ns.phase("later", "Starting")["child"]["runtimeHash"] != first["child"]["runtimeHash"]
    assert json.loads(second["pinned"])["runtime"]["spec"]["image"] == "team:1"
    ns.api.call("DELETE", path)
    ns.run_to_end("j-a1", 75)
    assert pod_spec(ns, "j-a2")["containers"][0]["image"] == "team:1"


def test_a_runtime_that_is_too_large_to_be_kept_is_refused(ns: Namespace) -> None:
    path = make_runtime(ns, pod={"annotations": {f"a{n}": "x" * 4000 for n in range(5)}})
    ns.create("j", runtimeRef=TEAM)
    refused = ns.reason("j", "Accepted", "InvalidRuntime")
    assert "TenysonRuntime team cannot be used" in refused["message"]
    assert "16384 at most fit" in refused["message"]
    ns.api.merge(path, {"spec": {"pod": {"annotations": {f"a{n}": None for n in range(4)}}}})
    assert ns.child("j-a0")


def test_pod_defaults_reach_the_pod(ns: Namespace) -> None:
    make_runtime(
        ns,
        imagePullSecrets=[{"name": "registry"}],
        pod={
            "serviceAccountName": "trainer",
            "securityContext": {"runAsUser": 1000, "fsGroup": None},
            "containerSecurityContext": {"readOnlyRootFilesystem": False},
            "schedulerName": "volcano",
            "terminationGracePeriodSeconds": 300,
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
            "labels": {"team": "research"},
            "annotations": {"karpenter.sh/do-not-disrupt": "false"},
        },
    )
    ns.create("j", runtimeRef=TEAM)
    template = ns.child("j-a0")["spec"]["template"]
    spec = template["spec"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["serviceAccountName"] == "trainer"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["runAsNonRoot"] is True
    container = spec["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["schedulerName"] == "volcano"
    assert spec["terminationGracePeriodSeconds"] == 300
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data"}} in spec["volumes"]
    mount = {"name": "data", "mountPath": "/data", "readOnly": True}
    assert mount in container["volumeMounts"]
    assert template["metadata"]["labels"]["team"] == "research"
    assert template["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "false"


def test_a_runtime_that_the_api_server_would_not_take_says_so_on_the_job(ns: Namespace) -> None:
    path = make_runtime(ns, pod={"securityContext": {"runAsUser": "root"}})
    ns.create("j", runtimeRef=TEAM)
    refused = ns.reason("j", "Running", "ChildInvalid")
    assert "runAsUser" in refused["message"]
    assert condition(ns.status("j"), "Stalled")["reason"] == "ChildInvalid"
    ns.api.merge(path, {"spec": {"pod": {"securityContext": {"runAsUser": 1000}}}})
    assert ns.child("j-a0")


def test_the_cluster_runtime_may_be_named_like_a_namespaced_one(
    ns: Namespace, default_runtime: Any
) -> None:
    default_runtime(image="cluster:1")
    make_runtime(ns, image="team:1")
    ns.create("a", runtimeRef={"name": "default"})
    ns.create("b", runtimeRef=TEAM)
    ns.create("c", runtimeRef={"name": "default", "kind": "TenysonRuntime"})
    assert pod_spec(ns, "a-a0")["containers"][0]["image"] == "cluster:1"
    assert pod_spec(ns, "b-a0")["containers"][0]["image"] == "team:1"
    ns.reason("c", "Accepted", "RuntimeNotFound")


def test_a_finished_run_does_not_begin_again_with_a_new_runtime(ns: Namespace) -> None:
    path = make_runtime(ns, image="team:1")
    ns.create("j", runtimeRef=TEAM)
    ns.run_to_end("j-a0", 0, result())
    ns.phase("j", "Succeeded")
    before = ns.job("j")
    ns.api.merge(path, {"spec": {"image": "team:2"}})
    ns.create("probe", runtimeRef=TEAM)
    eventually(lambda: ns.child("probe-a0"))
    assert ns.job("j") == before
