"""What somebody who may write TenysonJobs, and nothing else, can make the controller do."""

import json
from typing import Any

import pytest

from tenyson.controller import names
from tests.controller.api import Api, ApiError, Namespace, eventually
from tests.controller.builders import CONFIG
from tests.controller.fields.runtimes import TEAM, make_runtime
from tests.security.others import (
    another_namespace,
    container,
    make_config_map,
    make_secret,
    pod_template,
)

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

PASSWORD = "Canary-of-a-config-map-1"
HOST = {"name": "host", "hostPath": {"path": "/"}}
SMUGGLED: dict[str, Any] = {
    "hostNetwork": True,
    "hostPID": True,
    "serviceAccountName": "admin",
    "automountServiceAccountToken": True,
    "volumes": [HOST],
    "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    "initContainers": [{"name": "i", "image": "i"}],
    "containers": [{"name": "runner", "image": "i"}],
    "command": ["/bin/sh"],
    "args": ["-c", "id"],
    "securityContext": {"privileged": True, "runAsUser": 0},
    "containerSecurityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
    "imagePullSecrets": [{"name": "others"}],
    "envFrom": [{"secretRef": {"name": "all-of-it"}}],
    "pod": {"volumes": [HOST], "securityContext": {"runAsUser": 0}},
    "template": {"spec": {"hostPID": True}},
    "namespace": "kube-system",
}
"""Fields that the spec does not have, by which more than a runner's pod might be had."""
INSIDE: list[dict[str, Any]] = [
    {"output": {"hostPath": {"path": "/"}}},
    {"output": {"volumeClaim": "data", "namespace": "kube-system"}},
    {"placement": {"nodeName": "control-plane"}},
    {"placement": {"hostNetwork": True}},
    {"placement": {"runtimeClassName": "privileged"}},
    {"resources": {"limits": {"example.com/device": 1}}},
    {"telemetry": {"databaseSecretRef": {"name": "s", "key": "k", "namespace": "kube-system"}}},
    {"runtimeRef": {"name": "r", "namespace": "kube-system"}},
    {"configFrom": {"configMapKeyRef": {"name": "c", "key": "k", "namespace": "kube-system"}}},
    {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
    {"dependsOn": [{"job": "j2", "namespace": "kube-system"}]},
]


@pytest.mark.parametrize("spec", [*({k: v} for k, v in SMUGGLED.items()), *INSIDE], ids=json.dumps)
def test_a_field_that_would_reach_further_is_refused(ns: Namespace, spec: dict[str, Any]) -> None:
    strictly = f"{ns.jobs_path}?fieldValidation=Strict&dryRun=All"
    with pytest.raises(ApiError, match=r"unknown field|exactly one of|Required value"):
        ns.api.call("POST", strictly, ns.manifest("j", **spec))


def test_a_field_that_slips_past_the_check_changes_nothing(ns: Namespace) -> None:
    ns.create("plain")
    ns.create("j", placement={"affinity": {"hostNetwork": True, "volumes": [HOST]}}, **SMUGGLED)
    plain, made = (pod_template(ns, f"{name}-a0")["spec"] for name in ("plain", "j"))
    for name in ("env", "name"):  # the run's own id and address
        plain["containers"][0].pop(name)
        made["containers"][0].pop(name)
    assert made.pop("affinity", {}) == {}
    assert made == plain


def test_a_pod_has_no_rights_but_those_of_a_runner(ns: Namespace) -> None:
    ns.create("j")
    spec = pod_template(ns)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec.get("serviceAccountName", "default") == "default"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert spec["securityContext"]["runAsNonRoot"] is True
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds == {"downwardAPI", "projected", "emptyDir"}
    (token,) = (v["projected"]["sources"] for v in spec["volumes"] if "projected" in v)
    assert token[0]["serviceAccountToken"]["audience"] == "tenyson.dev/progress"
    rights = container(ns)["securityContext"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)


def test_the_service_account_is_the_runtimes_to_choose_and_brings_no_token(ns: Namespace) -> None:
    make_runtime(ns, pod={"serviceAccountName": "runner"})
    ns.create("j", runtimeRef=TEAM)
    spec = pod_template(ns)["spec"]
    assert spec["serviceAccountName"] == "runner"
    assert spec["automountServiceAccountToken"] is False


def test_a_runtime_of_another_namespace_is_not_found(ns: Namespace, api: Api) -> None:
    with another_namespace(api) as other:
        make_runtime(other, pod={"volumes": [HOST], "serviceAccountName": "admin"})
        ns.create("j", runtimeRef=TEAM)
        ns.reason("j", "Accepted", "RuntimeNotFound")
        assert ns.children() == []


def test_a_secret_and_a_config_map_of_another_namespace_are_not_found(
    ns: Namespace, api: Api
) -> None:
    ref = {"name": "theirs", "key": "k"}
    with another_namespace(api) as other:
        make_secret(other, "theirs", k="sqlite://")
        make_config_map(other, "theirs", k="{}")
        ns.create("a", telemetry={"databaseSecretRef": ref})
        ns.create("b", env=[{"name": "A", "valueFrom": {"secretKeyRef": ref}}])
        ns.create("c", env=[{"name": "A", "valueFrom": {"configMapKeyRef": ref}}])
        ns.create("d", configFrom={"configMapKeyRef": ref})
        for job, kind in (("a", "Secret"), ("b", "Secret"), ("c", "ConfigMap"), ("d", "ConfigMap")):
            ns.reason(job, "Accepted", f"{kind}NotFound")
        assert ns.children() == []


def test_a_status_that_the_author_wrote_is_dropped(ns: Namespace) -> None:
    """It would hold a runtime of their own making: the one that a run begins with is kept there."""
    runtime = {"runtime": {"kind": "TenysonRuntime", "name": "mine", "spec": {
        "pod": {"volumes": [HOST], "serviceAccountName": "admin"}}}}  # fmt: skip
    body = ns.manifest("j")
    forged = {"pinned": json.dumps(runtime), "attempt": 0}
    ns.api.call("POST", ns.jobs_path, {**body, "status": forged})
    spec = pod_template(ns)["spec"]
    assert "host" not in {volume["name"] for volume in spec["volumes"]}
    assert "serviceAccountName" not in spec
    ns.api.merge(f"{ns.jobs_path}/j", {"status": forged})
    assert "pinned" not in ns.status("j")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"env": [{"name": "TENYSON_PROGRESS_URL", "value": "x"}]}, "controller sets itself"),
        ({"env": [{"name": "TENYSON_SECRETS", "value": ""}]}, "controller sets itself"),
        ({"env": [{"name": "TENYSON_OUTPUT_DIR", "value": "x"}]}, "controller sets itself"),
        ({"placement": {"priorityClassName": "system-node-critical"}}, "one of Kubernetes' own"),
        ({"output": {"uri": "s3://KEY:SECRET@bucket/runs"}}, "output.uri holds a password"),
        (
            {"config": {**CONFIG, "telemetry": {"db_url": "postgresql://me:SECRET@h/d"}}},
            "db_url holds a password",
        ),
        (
            {"config": {**CONFIG, "telemetry": {"db_url": "postgresql://h/d?password=SECRET"}}},
            "db_url holds a password",
        ),
        (
            {"config": {**CONFIG, "data": {"dataset_store": "s3://KEY:SECRET@bucket/sets"}}},
            "dataset_store holds a password",
        ),
    ],
    ids=json.dumps,
)
def test_what_would_harm_is_refused_with_a_sentence(
    ns: Namespace, spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ApiError, match=sentence):
        ns.create("j", **spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"output": {"uri": "abfs://runs@account.dfs.core.windows.net/x"}},
        {"config": {**CONFIG, "telemetry": {"db_url": "postgresql://me@h:5432/d"}}},
        {"config": {**CONFIG, "telemetry": {"db_url": "sqlite:////data/rows.db"}}},
        {"placement": {"priorityClassName": "research-system-x"}},
    ],
    ids=json.dumps,
)
def test_what_only_looks_like_that_is_taken(ns: Namespace, spec: dict[str, Any]) -> None:
    assert ns.api.call("POST", f"{ns.jobs_path}?dryRun=All", ns.manifest("j", **spec))


def test_a_password_in_a_config_map_is_refused_and_copied_nowhere(ns: Namespace) -> None:
    text = f"telemetry: {{db_url: 'postgresql://me:{PASSWORD}@h/d'}}"
    make_config_map(ns, "c", k=text)
    ns.create("j", configFrom={"configMapKeyRef": {"name": "c", "key": "k"}})
    told = ns.reason("j", "Accepted", "InvalidConfig")["message"]
    assert "databaseSecretRef" in told
    eventually(lambda: ns.events("InvalidConfig"))
    assert PASSWORD not in json.dumps([ns.job("j"), ns.events("InvalidConfig")])
    assert ns.children() == []


def test_a_quota_bounds_how_many_jobs_there_are(ns: Namespace) -> None:
    kind = f"count/{names.PLURAL}.{names.GROUP}"
    quota: dict[str, Any] = {"metadata": {"name": "q"}, "spec": {"hard": {kind: "1"}}}
    ns.api.call("POST", f"{ns.core}/resourcequotas", quota)
    # Kubernetes' own controller may take two minutes to count a kind that is new to it.
    counted = {"status": {"hard": {kind: "1"}, "used": {kind: "0"}}}
    ns.api.merge(f"{ns.core}/resourcequotas/q/status", counted)

    eventually(lambda: _refusal(ns) == "")
    ns.create("first")
    with pytest.raises(ApiError, match="exceeded quota"):
        ns.create("second")


def test_a_policy_narrows_what_a_namespace_may_ask_for(ns: Namespace, policy: Any) -> None:
    policy(ns)
    image = "ghcr.io/tenyson/tenyson-runner@sha256:" + "0" * 64
    eventually(lambda: _refusal(ns, image="docker.io/somebody/miner:latest"))
    assert "by its digest" in _refusal(ns, image="ghcr.io/tenyson/tenyson-runner:latest")
    tolerant = {"tolerations": [{"operator": "Exists"}]}
    assert "every taint" in _refusal(ns, image=image, placement=tolerant)
    assert _refusal(ns, image=image) == ""
    assert _refusal(ns) == ""  # the runtime's image


def _refusal(ns: Namespace, **spec: Any) -> str:
    try:
        ns.api.call("POST", f"{ns.jobs_path}?dryRun=All", ns.manifest("j", **spec))
    except ApiError as error:
        return str(error)
    return ""
