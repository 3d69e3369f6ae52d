"""Runner pods under the restricted Pod Security Standard, which the API server itself enforces."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tenyson.controller import names
from tests.controller.api import Api, ApiError, Namespace
from tests.controller.builders import CONFIG
from tests.controller.fields.kueue import Kueue
from tests.controller.fields.runtimes import TEAM, make_runtime
from tests.security.others import another_namespace, make_secret

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

PREFIX = "pod-security.kubernetes.io"
SECRET = {"name": "s", "key": "k"}
RL = {**CONFIG, "rl": {"num_generations": 4}, "training": {"per_device_train_batch_size": 4}}
KINDS: dict[str, dict[str, Any]] = {
    "sft": {},
    "rl": {"type": "RL", "config": RL},
    "eval": {"type": "Eval", "config": {"model": CONFIG["model"]}},
    "two-nodes": {"nodes": 2},
    "claim": {"output": {"volumeClaim": "data"}},
    "bucket": {"output": {"uri": "s3://bucket/runs"}},
    "hub": {"output": {"hub": {"repo": "team/x", "tokenSecretRef": SECRET}}},
    "shared-memory": {"resources": {"sharedMemory": "1Gi", "memory": "2Gi", "cpu": 1}},
    "gpus": {"resources": {"gpus": 2}},
    "secrets": {
        "telemetry": {"databaseSecretRef": SECRET},
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": SECRET}}],
    },
    "placed": {
        "placement": {
            "nodeSelector": {"gpu": "h100"},
            "tolerations": [{"operator": "Exists"}],
            "topologyKey": "topology.kubernetes.io/zone",
        }
    },
    "queued": {"queueName": "gpus"},
}
"""Every kind of child that the controller makes."""


@pytest.fixture
def restricted(api: Api) -> Iterator[Namespace]:
    """A namespace that takes restricted pods only, and warns of others."""
    labels = {f"{PREFIX}/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    with another_namespace(api, **labels) as ns:
        make_secret(ns, "s", k="sqlite://")
        yield ns


def test_a_restricted_namespace_takes_the_pods_of_every_kind_of_job(
    restricted: Namespace, cluster: Any
) -> None:
    for name, spec in KINDS.items():
        restricted.create(name, **spec)
    for name, spec in KINDS.items():
        if "queueName" in spec:
            restricted.phase(name, "Queued")
            Kueue(restricted).admit(f"{name}-a0")
        pods = restricted.pods(f"{name}-a0", spec.get("nodes", 1))
        assert {pod["metadata"]["namespace"] for pod in pods} == {restricted.name}
        assert _warnings(cluster, restricted, f"{name}-a0") == ""


def test_a_runtime_cannot_break_the_namespaces_standard(restricted: Namespace) -> None:
    make_runtime(restricted, pod={"volumes": [{"name": "host", "hostPath": {"path": "/"}}]})
    restricted.create("j", runtimeRef=TEAM)
    spec = restricted.child("j-a0")["spec"]["template"]["spec"]
    body = {"metadata": {"name": "by-hand"}, "spec": spec}
    with pytest.raises(ApiError, match=r"violates PodSecurity.*hostPath"):
        restricted.api.call("POST", f"{restricted.core}/pods?dryRun=All", body)
    assert restricted.live_pods("j-a0") == []


def _warnings(cluster: Any, ns: Namespace, child: str) -> str:
    """Returns what the API server warns of when it is given the same Job once more."""
    body = ns.child(child)
    template = body["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    template["metadata"]["labels"] = {k: v for k, v in labels if k.startswith(names.GROUP)}
    spec = {k: v for k, v in body["spec"].items() if k not in ("selector", "suspend")}
    again = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{child}-again", "namespace": ns.name},
        "spec": {**spec, "template": template},
    }
    command = cluster.kubectl_argv("create", "--dry-run=server", "--warnings-as-errors", "-f", "-")
    done = subprocess.run(command, input=json.dumps(again), capture_output=True, text=True)
    return done.stderr
