"""How a pod ends that somebody deletes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hack.cluster.fixtures import Namespace, shell_pod
from hack.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster


def _write_when_told(signal: str) -> str:
    return f"trap 'echo {signal} > /out/how; exit 0' TERM; echo up; while :; do sleep 0.05; done"


def test_a_deleted_pod_may_finish_within_its_grace(namespace: Namespace, tmp_path: Path) -> None:
    out = tmp_path
    mount = {"volumeMounts": [{"name": "out", "mountPath": "/out"}]}
    volumes = [{"name": "out", "hostPath": {"path": str(out)}}]
    namespace.create(shell_pod("p", _write_when_told("asked"), container=mount, volumes=volumes))
    namespace.wait_for_phase("p", "Running")
    _wait_for_log(namespace, "up")
    namespace.delete("Pod", "p")
    namespace.wait_until_gone("Pod", "p")
    assert (out / "how").read_text() == "asked\n"


def test_a_pod_that_does_not_listen_is_killed_after_its_grace(namespace: Namespace) -> None:
    # As the first process of its namespace, the shell ignores a SIGTERM that it does not trap.
    namespace.create(shell_pod("p", "echo up; sleep 600"))
    _wait_for_log(namespace, "up")
    began = time.monotonic()
    namespace.delete("Pod", "p", grace_seconds=2)
    namespace.wait_until_gone("Pod", "p")
    assert 1.8 < time.monotonic() - began < 10


def test_a_later_shorter_grace_counts(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "echo up; sleep 600"))
    _wait_for_log(namespace, "up")
    namespace.delete("Pod", "p", grace_seconds=300)
    namespace.delete("Pod", "p", grace_seconds=1)
    namespace.wait_until_gone("Pod", "p", timeout_seconds=15)


def test_a_forced_deletion_leaves_no_process(namespace: Namespace) -> None:
    pod = namespace.create(shell_pod("p", "echo up; sleep 600"))
    _wait_for_log(namespace, "up")
    namespace.delete("Pod", "p", grace_seconds=0)
    folder = namespace.cluster.node.state_dir / "pods" / pod["metadata"]["uid"]
    wait_for(lambda: not folder.exists(), "the pod's folder to be gone")


def test_a_pod_that_cannot_start_is_deleted_at_once(namespace: Namespace) -> None:
    secret = {"name": "s", "secret": {"secretName": "missing"}}
    namespace.create(shell_pod("p", "true", volumes=[secret]))
    namespace.wait_for_phase("p", "Pending")
    namespace.delete("Pod", "p")
    namespace.wait_until_gone("Pod", "p", timeout_seconds=10)


def _wait_for_log(namespace: Namespace, text: str) -> None:
    namespace.wait_for_phase("p", "Running")
    arguments = ("-n", namespace.name, "logs", "p")
    wait_for(lambda: text in namespace.cluster.kubectl(*arguments), f"{text!r} in the log")
