"""What the API server refuses, and the sentence it says."""

from typing import Any

import pytest

from tenyson.controller import names
from tests.controller.api import ApiError, Namespace
from tests.controller.builders import CONFIG

pytestmark = pytest.mark.cluster
LONG = "x" * 53
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"type": "DPO"}, 'spec.type: Unsupported value: "DPO"'),
        ({"type": None}, "spec.type"),
        ({"task": ""}, "spec.task"),
        ({"task": None}, "spec.task"),
        ({"task": "no module"}, "task must be module.path:ClassName"),
        ({"task": "a.b:C.D"}, "task must be module.path:ClassName"),
        ({"config": None}, "spec.config"),
        ({"config": {}}, "spec.config.model.name must name the base model"),
        ({"config": {**CONFIG, "training": {"max_steps": 0}}}, "greater than or equal to 1"),
        ({"config": {**CONFIG, "training": {"learning_rate": 0}}}, "learning_rate"),
        ({"config": {**CONFIG, "training": {"optim": "best"}}}, "Unsupported value"),
        ({"config": {**CONFIG, "checkpoint": {"resume": "maybe"}}}, "must be auto or never, or a"),
        ({"config": {**CONFIG, "checkpoint": {"resume": 0}}}, "must be auto or never, or a"),
        ({"dependsOn": [{"job": "j"}]}, "spec.dependsOn names the job itself"),
        ({"dependsOn": [{"job": "a", "condition": "Ready"}]}, "Unsupported value"),
        ({"dependsOn": [{"job": "a"}, {"job": "a"}]}, "Duplicate value"),
        ({"dependsOn": [{"job": f"a{n}"} for n in range(17)]}, "must have at most 16 items"),
        ({"adapterFrom": {"job": "j"}}, "spec.adapterFrom names the job itself"),
        ({"image": "x" * 1025}, "spec.image: Too long"),
        ({"resources": {"gpus": -1}}, "greater than or equal to 0"),
        ({"resources": {"gpus": 65}}, "less than or equal to 64"),
        ({"resources": {"memory": "lots"}}, "must be a quantity such as 500m or 64Gi"),
        ({"env": [{"name": "A"}]}, "exactly one of value and valueFrom"),
        ({"env": [{"name": "A", "value": "1", "valueFrom": SECRET}]}, "exactly one of value and"),
        ({"env": [{"name": "A", "valueFrom": {}}]}, "exactly one of secretKeyRef and configMap"),
        ({"env": [{"name": "A-B", "value": "1"}]}, "spec.env[0].name"),
        ({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "Duplicate value"),
        ({"env": [{"name": "TENYSON_RUN_ID", "value": "1"}]}, "variables that the controller sets"),
        ({"telemetry": {"databaseSecretRef": {"name": "s"}}}, "databaseSecretRef.key: Required"),
        ({"output": {"uri": "/data"}}, "output.uri must start with a scheme"),
        ({"output": {"volumeClaim": "My Claim"}}, "spec.output.volumeClaim"),
        ({"retry": {"maxRetries": -1}}, "greater than or equal to 0"),
        ({"retry": {"backoffSeconds": 60, "backoffMaxSeconds": 30}}, "must not exceed retry."),
        ({"ttlSecondsAfterFinished": -1}, "greater than or equal to 0"),
        ({"suspend": "yes"}, "must be of type boolean"),
        ({"nodes": 0}, "greater than or equal to 1"),
        ({"nodes": 65}, "less than or equal to 64"),
        ({"type": "Eval", "nodes": 2}, "spec.nodes must be 1 for an Eval"),
        ({"type": "Eval", "output": {"hub": {"repo": "a/b"}}}, "spec.output.hub is for SFT and RL"),
        ({"output": {"hub": {"repo": "adapter"}}}, "output.hub.repo must be owner/name"),
        ({"output": {"hub": {"tokenSecretRef": {"name": "s"}}}}, "tokenSecretRef.key: Required"),
        ({"checkpoint": {"resume": "Maybe"}}, "must be Auto or Never, or a whole number of at"),
        ({"checkpoint": {"resume": 0}}, "must be Auto or Never, or a whole number of at least 1"),
        ({"checkpoint": {"keep": 0}}, "greater than or equal to 1"),
        ({"budget": {"maxCost": 5}}, "budget.maxCost needs budget.pricePerHour"),
        ({"budget": {"pricePerHour": 1, "currency": "dollar"}}, "spec.budget.currency"),
        ({"budget": {"pricePerHour": 1, "maxCost": 0}}, "spec.budget.maxCost"),
        ({"env": [{"name": "PET_NODE_RANK", "value": "1"}]}, "variables that the controller sets"),
        ({"configFrom": {}}, "spec.configFrom.configMapKeyRef: Required"),
        ({"runtimeRef": {"kind": "TenysonRuntime"}}, "spec.runtimeRef.name: Required"),
        ({"runtimeRef": {"name": "a", "kind": "Other"}}, "Unsupported value"),
        ({"backend": "Slurm"}, "Unsupported value"),
        ({"modal": {"gpu": ["H100"] * 9}}, "must have at most 8 items"),
        ({"placement": {"tolerations": [{"operator": "Like"}]}}, "Unsupported value"),
        ({"placement": {"topologyKey": "k" * 318}}, "Too long"),
        ({"queueName": ""}, "spec.queueName"),
        ({"activeDeadlineSeconds": 0}, "greater than or equal to 1"),
        ({"pendingDeadlineSeconds": 0}, "greater than or equal to 1"),
        ({"progressDeadlineSeconds": 0}, "greater than or equal to 1"),
    ],
)
def test_a_bad_field_is_refused_by_name(ns: Namespace, spec: dict[str, Any], sentence: str) -> None:
    manifest = ns.manifest("j", **spec)
    manifest["spec"] = {k: v for k, v in manifest["spec"].items() if v is not None}
    with pytest.raises(ApiError) as refused:
        ns.api.call("POST", ns.jobs_path, manifest)
    assert refused.value.status == 422
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [(LONG, "metadata.name must have at most 52 characters"), ("a.b", "must have no dot")],
)
def test_a_name_that_pods_cannot_carry_is_refused(ns: Namespace, name: str, sentence: str) -> None:
    with pytest.raises(ApiError, match=sentence):
        ns.create(name)


@pytest.mark.parametrize(
    "spec",
    [
        {"task": "a.b.c:Task"}, {"task": "tasks.plain"}, {"task": "/opt/tasks/my_task.py"},
        {"task": "tasks/my-task.py:Task"},
        {"resources": {"cpu": 8, "memory": "64Gi", "sharedMemory": "0.5Gi"}},
        {"resources": {"cpu": "500m", "gpus": 8}},
        {"env": [{"name": "A", "value": ""}, {"name": "B", "valueFrom": SECRET}]},
        {"output": {"uri": "s3://b/r", "volumeClaim": "claim"}},
        {"config": {**CONFIG, "task": {"any": {"thing": [1, "a", None]}}}},
        {"config": {**CONFIG, "checkpoint": {"resume": 12}}},
        {"config": {**CONFIG, "checkpoint": {"resume": "never"}}},
        {"output": {"hub": {"repo": "team/wordle-rl"}}},
        {"budget": {"pricePerHour": 0, "maxCost": 0.5}},
        {"checkpoint": {"resume": 12}}, {"checkpoint": {"resume": "Never"}},
        {"env": [{"name": "HF_TOKEN", "valueFrom": SECRET}]},
        {"config": {}, "configFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
        {"image": None, "adapterFrom": None, "ttlSecondsAfterFinished": None,
         "output": {"uri": None, "volumeClaim": None}, "resources": {"cpu": None}},
    ],
)  # fmt: skip
def test_a_good_spec_is_taken(ns: Namespace, spec: dict[str, Any]) -> None:
    ns.create("j", **spec)


def test_the_progress_deadline_is_half_an_hour_unless_it_is_null(ns: Namespace) -> None:
    assert ns.create("a")["spec"]["progressDeadlineSeconds"] == 1800
    assert ns.create("b", progressDeadlineSeconds=None)["spec"]["progressDeadlineSeconds"] is None


@pytest.mark.parametrize("kind", ["tenysonruntimes", "clustertenysonruntimes"])
@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"image": ""}, "spec.image"),
        ({"env": [{"name": "A"}]}, "exactly one of value and valueFrom"),
        ({"env": [{"name": "A", "valueFrom": {}}]}, "exactly one of secretKeyRef and configMap"),
        ({"env": [{"name": "TENYSON_ATTEMPT", "value": "1"}]}, "that the controller sets itself"),
        ({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "Duplicate value"),
        ({"output": {"uri": "bucket/runs"}}, "output.uri must start with a scheme"),
        ({"output": {"hub": {"repo": "adapter"}}}, "output.hub.repo must be owner/name"),
        ({"checkpoint": {"resume": "maybe"}}, "must be Auto or Never, or a whole number"),
        ({"retry": {"backoffSeconds": 9, "backoffMaxSeconds": 8}}, "must not exceed retry."),
        ({"pod": {"nodePreset": {}}}, "exactly one of managedNodeGroup and karpenter"),
        ({"pod": {"nodePreset": {"karpenter": {}, "managedNodeGroup": {}}}}, "exactly one of"),
        ({"pod": {"nodePreset": {"karpenter": {"capacityType": "SPOT"}}}}, "Unsupported value"),
        ({"pod": {"volumes": [{"name": "output", "emptyDir": {}}]}}, "may not use the names"),
        ({"pod": {"volumes": [{"name": "a"}, {"name": "a"}]}}, "Duplicate value"),
        ({"pod": {"volumeMounts": [{"name": "a"}]}}, "mountPath: Required value"),
        ({"pod": {"terminationGracePeriodSeconds": 0}}, "greater than or equal to 1"),
        ({"pod": {"serviceAccountName": "My Account"}}, "spec.pod.serviceAccountName"),
    ],
)
def test_a_bad_runtime_is_refused_by_name(
    ns: Namespace, kind: str, spec: dict[str, Any], sentence: str
) -> None:
    scope = f"namespaces/{ns.name}/" if kind == "tenysonruntimes" else ""
    singular = {"tenysonruntimes": "TenysonRuntime"}.get(kind, "ClusterTenysonRuntime")
    body = {
        "apiVersion": names.API_VERSION, "kind": singular, "metadata": {"name": "r"}, "spec": spec,
    }  # fmt: skip
    with pytest.raises(ApiError) as refused:
        ns.api.call("POST", f"/apis/{names.API_VERSION}/{scope}{kind}", body)
    assert refused.value.status == 422
    assert sentence in str(refused.value)


def test_kubectl_explains_the_configuration(cluster: Any) -> None:
    shown = cluster.kubectl("explain", "tenysonjob.spec.config.training")
    assert "learning_rate" in shown
    assert "Peak learning rate. Default: 2e-05." in shown


def test_kubectl_refuses_an_unknown_key(cluster: Any, ns: Namespace) -> None:
    from hack.cluster.errors import ClusterError

    config = "{model: {name: x}, training: {learning_rat: 1}}"
    manifest = (
        f"apiVersion: tenyson.dev/v1alpha1\nkind: TenysonJob\n"
        f"metadata: {{name: j, namespace: {ns.name}}}\n"
        f"spec: {{type: SFT, task: 'a:B', config: {config}}}\n"
    )
    with pytest.raises(ClusterError, match=r"unknown field .*learning_rat\""):
        cluster.kubectl("apply", "-f", "-", stdin=manifest)


def test_short_name_and_category_work(cluster: Any, ns: Namespace) -> None:
    ns.create("j")
    for resource in ("tj", "tenyson"):
        shown = cluster.kubectl("get", resource, "-n", ns.name)
        assert "TYPE PHASE PROGRESS STEP ATTEMPT AGE" in " ".join(shown.split())
