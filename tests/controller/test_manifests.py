"""The child Job and its pod, field by field, without a cluster."""

import json
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.manifests import child
from tests.controller.starts import LABELS, container_of, made, pod_of, start


def test_an_attempt_on_one_node_is_one_object() -> None:
    (job,) = child.objects(start())
    assert job["metadata"]["name"] == "j-a1"
    assert job["metadata"]["labels"] == LABELS
    assert job["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "tenyson.dev/v1alpha1", "kind": "TenysonJob", "name": "j",
            "uid": "uid-j", "controller": True, "blockOwnerDeletion": True,
        }
    ]  # fmt: skip
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 0)
    assert spec["podReplacementPolicy"] == "Failed"
    assert "completionMode" not in spec
    assert "subdomain" not in spec["template"]["spec"]


def test_an_attempt_on_several_nodes_has_a_headless_service_that_is_made_first() -> None:
    service, job = child.objects(start(nodes=3))
    assert (service["kind"], service["metadata"]["name"]) == ("Service", "j-a1")
    assert service["metadata"]["ownerReferences"] == job["metadata"]["ownerReferences"]
    assert service["spec"] == {
        "clusterIP": "None", "publishNotReadyAddresses": True, "selector": LABELS,
    }  # fmt: skip
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"]) == (3, 3)
    assert spec["completionMode"] == "Indexed"
    assert spec["template"]["spec"]["subdomain"] == "j-a1"


def test_every_failure_ends_the_job_and_names_its_exit_code() -> None:
    disruption, code = made()["spec"]["podFailurePolicy"]["rules"]
    assert disruption["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert code["onExitCodes"]["operator"] == "NotIn"
    assert code["onExitCodes"]["values"] == [0]
    assert {rule["action"] for rule in (disruption, code)} == {"FailJob"}


def test_a_queue_is_told_by_labels_and_lifts_the_suspension_itself() -> None:
    job = made(queueName="gpus", placement={"priorityClassName": "high"})
    assert job["metadata"]["labels"] == {
        **LABELS, names.LABEL_QUEUE: "gpus", names.LABEL_PRIORITY: "high",
    }  # fmt: skip
    assert job["spec"]["suspend"] is True
    assert "podFailurePolicy" not in job["spec"]
    assert "priorityClassName" not in job["spec"]["template"]["spec"]
    assert names.LABEL_PRIORITY not in made(queueName="gpus")["metadata"]["labels"]
    plain = made(placement={"priorityClassName": "high"})
    assert plain["spec"]["template"]["spec"]["priorityClassName"] == "high"
    assert plain["metadata"]["labels"] == LABELS
    assert "suspend" not in plain["spec"]


def test_pods_keep_our_labels_and_annotations_whatever_the_runtime_adds() -> None:
    runtime = {
        "pod": {
            "labels": {"team": "a", names.LABEL_JOB: "x"},
            "annotations": {"note": "b", names.ANNOTATION_CONFIG: "x",
                            "karpenter.sh/do-not-disrupt": "false"},
        }
    }  # fmt: skip
    meta = made(runtime, config={"model": {"name": "m"}})["spec"]["template"]["metadata"]
    assert meta["labels"] == {"team": "a", **LABELS}
    assert json.loads(meta["annotations"][names.ANNOTATION_CONFIG]) == {"model": {"name": "m"}}
    assert meta["annotations"]["note"] == "b"
    assert meta["annotations"]["karpenter.sh/do-not-disrupt"] == "false", "a runtime may let it go"
    assert meta["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert meta["annotations"][names.ANNOTATION_PROGRESS_CA] == "PEM"


def test_a_configurations_hash_does_not_depend_on_the_order_of_its_keys() -> None:
    one = start(config={"model": {"name": "m"}, "task": {"a": 1}}).run
    two = start(config={"task": {"a": 1}, "model": {"name": "m"}}).run
    other = start(config={"model": {"name": "n"}, "task": {"a": 1}}).run
    assert child.config_hash(one) == child.config_hash(two) != child.config_hash(other)


# The pod


def test_by_default_a_pod_is_restricted() -> None:
    pod, container = pod_of(), container_of()
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Never", 120)


def test_a_runtime_replaces_single_fields_of_the_security_contexts() -> None:
    runtime = {
        "pod": {
            "securityContext": {"runAsUser": 0, "runAsNonRoot": False},
            "containerSecurityContext": {"readOnlyRootFilesystem": False},
            "serviceAccountName": "trainer",
            "terminationGracePeriodSeconds": 300,
        },
        "imagePullSecrets": [{"name": "registry"}],
    }
    pod, container = pod_of(runtime), container_of(runtime)
    assert pod["securityContext"]["runAsUser"] == 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["serviceAccountName"] == "trainer"
    assert pod["terminationGracePeriodSeconds"] == 300
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_the_runner_is_called_as_the_contract_says() -> None:
    container = container_of(type="Eval")
    assert container["image"] == "runner:1"
    assert container["args"] == [
        "--job-type", "eval", "--config", "/tenyson/config/config.json", "--task-module", "a.b:C",
    ]  # fmt: skip
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {}),
        ({"cpu": "8"}, {"requests": {"cpu": "8"}}),
        ({"memory": "64Gi"}, {"requests": {"memory": "64Gi"}, "limits": {"memory": "64Gi"}}),
        (
            {"gpus": 2, "cpu": 4, "ephemeralStorage": "9Gi"},
            {
                "requests": {"cpu": "4", "ephemeral-storage": "9Gi", "nvidia.com/gpu": "2"},
                "limits": {"ephemeral-storage": "9Gi", "nvidia.com/gpu": "2"},
            },
        ),
        ({"gpus": 0}, {}),
    ],
)
def test_what_cannot_be_shared_is_limited_and_a_cpu_never(resources: Any, expected: Any) -> None:
    assert container_of(resources=resources)["resources"] == expected
