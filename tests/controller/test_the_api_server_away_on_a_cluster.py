"""The API server away for a while: the operator waits for it and goes on."""

from typing import Any

import pytest

from hack.cluster.errors import ClusterError
from tests.controller.api import Namespace, OperatorProcess, eventually, result
from tests.controller.builders import condition

pytestmark = pytest.mark.cluster

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def _started(cluster: Any) -> bool:
    """Starts the API server, as soon as its port is free again."""
    try:
        cluster.control_plane.start_apiserver()
    except ClusterError:
        return False
    return True


def _has_given_up(log: str, job: str) -> bool:
    """Returns whether passes over a job gave up after the client's retries, or we lead no more."""
    failed_passes = log.count(f"TenysonJob {job}: 0 Unreachable")
    return failed_passes >= 3 or "does not lead any more and stands by" in log


def test_an_absent_api_server_is_waited_for(
    cluster: Any, operator: OperatorProcess, ns: Namespace
) -> None:
    ns.create("j", retry=AT_ONCE)
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    # Its next attempt is due while the API server is away.
    ns.create("due", retry={"backoffSeconds": 5, "backoffMaxSeconds": 5})
    ns.run_to_end("due-a0", 75)
    ns.reason("due", "Running", "BackingOff")
    assert ns.children() == ["due-a0", "j-a0"]
    said_before = len(operator.log.read_bytes())
    cluster.control_plane.kill_apiserver()

    def said() -> str:
        return operator.log.read_bytes()[said_before:].decode(errors="replace")

    eventually(lambda: _has_given_up(said(), f"{ns.name}/due"))
    eventually(lambda: _started(cluster))
    ns.end_pod("j-a0", 75)
    ns.run_to_end("j-a1", 0, result())
    assert ns.phase("j", "Succeeded")["retries"]["infra"] == 1
    ns.run_to_end("due-a1", 0, result())
    assert ns.phase("due", "Succeeded")["retries"]["infra"] == 1
    ns.create("later")
    assert ns.child("later-a0")
    assert operator.process is not None
    assert operator.process.poll() is None
    assert condition(ns.phase("later", "Starting"), "Accepted")["status"] == "True"
