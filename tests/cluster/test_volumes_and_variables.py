"""Every kind of volume and variable, as a container sees it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.fixtures import Namespace, main_state, shell_pod, terminated

pytestmark = pytest.mark.cluster


def _config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _secret(name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def _output(namespace: Namespace, pod: dict[str, Any]) -> str:
    """What the pod's script wrote as its message, once it succeeded."""
    namespace.create(pod)
    return str(terminated(namespace.wait_for_phase("p", "Succeeded", "Failed")).get("message"))


def _mounted(volume: dict[str, Any], script: str, **mount: Any) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/etc/tenyson/v", **mount}]
    container = {"volumeMounts": mounts, "terminationMessagePolicy": "FallbackToLogsOnError"}
    script = f"cd /etc/tenyson; set -e; {{ {script}; }} > /dev/termination-log"
    return shell_pod("p", script, container=container, volumes=[{"name": "v", **volume}])


def test_a_config_map_is_a_folder_of_read_only_files(namespace: Namespace) -> None:
    namespace.create(_config_map("c", a="1", b="2"))
    volume = {"configMap": {"name": "c"}}
    script = "cat v/a v/b; if touch v/c 2> /dev/null; then echo writable; fi"
    assert _output(namespace, _mounted(volume, script)) == "12"


def test_a_secret_shows_the_items_asked_for_with_their_modes(namespace: Namespace) -> None:
    namespace.create(_secret("s", user="u", password="p"))
    items = [{"key": "password", "path": "deep/er", "mode": 0o400}]
    volume = {"secret": {"secretName": "s", "items": items, "defaultMode": 0o440}}
    script = "find v -type f; stat -c %a v/deep/er; cat v/deep/er"
    assert _output(namespace, _mounted(volume, script)).split() == ["v/deep/er", "400", "p"]


def test_an_optional_secret_may_be_missing(namespace: Namespace) -> None:
    volume = {"secret": {"secretName": "missing", "optional": True}}
    assert _output(namespace, _mounted(volume, "ls v | wc -l")).strip() == "0"


def test_one_key_is_mounted_as_a_file_by_sub_path(namespace: Namespace) -> None:
    namespace.create(_config_map("c", task="print()"))
    volume = {"configMap": {"name": "c"}}
    pod = _mounted(volume, "cat task.py", mountPath="/etc/tenyson/task.py", subPath="task")
    assert _output(namespace, pod) == "print()"


def test_the_downward_api_gives_annotations_as_they_are(namespace: Namespace) -> None:
    items = [
        {"path": "config", "fieldRef": {"fieldPath": "metadata.annotations['tenyson.dev/config']"}},
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {
            "path": "memory",
            "resourceFieldRef": {
                "containerName": "main",
                "resource": "limits.memory",
                "divisor": "1Mi",
            },
        },
    ]
    pod = _mounted({"downwardAPI": {"items": items}}, "cat v/config v/labels; echo; cat v/memory")
    pod["metadata"] |= {"annotations": {"tenyson.dev/config": "a:\n  b: 1\n"}, "labels": {"x": "y"}}
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    assert _output(namespace, pod) == 'a:\n  b: 1\nx="y"\n64'


def test_a_projected_token_names_its_audience_and_its_pod(namespace: Namespace) -> None:
    token = {"path": "token", "audience": "tenyson-progress", "expirationSeconds": 600}
    volume = {"projected": {"sources": [{"serviceAccountToken": token}]}}
    claims = _output(namespace, _mounted(volume, "cat v/token")).split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert decoded["aud"] == ["tenyson-progress"]
    assert decoded["kubernetes.io"]["pod"]["name"] == "p"


def test_several_sources_are_projected_into_one_folder(namespace: Namespace) -> None:
    namespace.create(_config_map("c", a="1"))
    namespace.create(_secret("s", b="2"))
    field = {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}
    sources = [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}, {"downwardAPI": field}]
    volume = {"projected": {"sources": sources}}
    assert _output(namespace, _mounted(volume, "cat v/a v/b v/n")) == "12p"


def test_a_claim_on_a_static_volume_of_the_machine_is_mounted(
    namespace: Namespace, tmp_path: Path
) -> None:
    volume_name = f"{namespace.name}-volume"
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    spec = {**common, "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(tmp_path / "new")}}
    persistent = {"kind": "PersistentVolume", "metadata": {"name": volume_name}, "spec": spec}
    claim_spec = {
        **common,
        "volumeName": volume_name,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": claim_spec}
    namespace.create({"apiVersion": "v1", **persistent})
    namespace.create({"apiVersion": "v1", **claim})
    volume = {"persistentVolumeClaim": {"claimName": "c"}}
    _output(namespace, _mounted(volume, "echo kept > v/file"))
    assert (tmp_path / "new" / "file").read_text() == "kept\n"


def test_variables_come_from_fields_objects_and_each_other(namespace: Namespace) -> None:
    namespace.create(_config_map("c", KEY="from map", OTHER="other"))
    namespace.create(_secret("s", url="postgresql://x"))
    env = [
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "s", "key": "url"}}},
        {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "KEY"}}},
        {"name": "BOTH", "value": "$(POD)/$(KEY) $$(POD) $(UNKNOWN)"},
    ]
    container = {
        "env": env,
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
        "resources": {"limits": {"cpu": "1500m"}},
        "command": ["/bin/sh", "-c", 'echo "$1|$CPUS|$URL|$BOTH|$P_OTHER" > /dev/termination-log'],
        "args": ["sh", "$(POD)"],
    }
    got = _output(namespace, shell_pod("p", "", container=container))
    assert got == "p|2|postgresql://x|p/from map $(POD) $(UNKNOWN)|other\n"


def test_a_missing_secret_keeps_the_pod_waiting_until_it_is_there(namespace: Namespace) -> None:
    reference = {"secretKeyRef": {"name": "late", "key": "k"}}
    env = {"env": [{"name": "K", "valueFrom": reference}]}
    namespace.create(shell_pod("p", 'test "$K" = v', container=env))
    pod = namespace.wait(
        "Pod",
        "p",
        lambda pod: (
            main_state(pod).get("waiting", {}).get("reason") == "CreateContainerConfigError"
        ),
        "to say what is missing",
    )
    assert main_state(pod)["waiting"]["message"] == 'secret "late" not found'
    namespace.create(_secret("late", k="v"))
    namespace.wait_for_phase("p", "Succeeded")


def test_a_missing_volume_says_so_in_an_event_and_starts_once_it_is_there(
    namespace: Namespace,
) -> None:
    volume = {"configMap": {"name": "late"}}
    namespace.create(_mounted(volume, "cat v/a"))
    namespace.wait(
        "Pod",
        "p",
        lambda _: "FailedMount" in namespace.cluster.kubectl("-n", namespace.name, "get", "events"),
        "to have an event",
    )
    namespace.create(_config_map("late", a="1"))
    assert terminated(namespace.wait_for_phase("p", "Succeeded"))["message"] == "1"


def test_the_machine_is_read_only_and_tmp_is_the_containers_own(
    namespace: Namespace, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    script = f"touch /usr/x /etc/x 2>/dev/null && exit 1; touch /tmp/a; test ! -e {tmp_path}/file"
    security = {"securityContext": {"readOnlyRootFilesystem": True}}
    namespace.create(shell_pod("p", script, container=security))
    namespace.wait_for_phase("p", "Succeeded")
