"""`kubectl logs`, through the apiserver, against the node's own endpoint."""

from __future__ import annotations

import http.client
import ssl
import subprocess

import pytest

from hack.cluster.fixtures import Namespace, shell_pod

pytestmark = pytest.mark.cluster


def test_logs_of_a_finished_pod_and_their_tail(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "seq 1 5"))
    namespace.wait_for_phase("p", "Succeeded")
    kubectl = namespace.cluster.kubectl
    assert kubectl("-n", namespace.name, "logs", "p").split() == ["1", "2", "3", "4", "5"]
    assert kubectl("-n", namespace.name, "logs", "p", "--tail=2").split() == ["4", "5"]


def test_followed_logs_arrive_while_the_pod_runs(namespace: Namespace) -> None:
    stop_on_term = "trap 'echo two; exit' TERM; echo one; while :; do sleep 0.05; done"
    namespace.create(shell_pod("p", stop_on_term))
    namespace.wait_for_phase("p", "Running")
    argv = namespace.cluster.kubectl_argv("-n", namespace.name, "logs", "-f", "p")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "one\n"
        namespace.delete("Pod", "p")
        assert follower.stdout.read() == "two\n"


def test_logs_of_the_attempt_before(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "echo attempt; exit 1", restartPolicy="OnFailure"))
    namespace.wait(
        "Pod",
        "p",
        lambda pod: [c for c in pod["status"].get("containerStatuses", ()) if c["restartCount"]],
        "to be restarted",
    )
    previous = namespace.cluster.kubectl("-n", namespace.name, "logs", "p", "--previous")
    assert previous == "attempt\n"


def test_nobody_but_the_apiserver_may_read_logs_at_the_node(namespace: Namespace) -> None:
    node = namespace.api.find("/api/v1/nodes/local")
    assert node is not None
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    certificates = namespace.cluster.control_plane.certificates
    context = ssl.create_default_context(cafile=str(certificates.ca.certificate))
    scheduler = certificates.pair("scheduler")
    context.load_cert_chain(scheduler.certificate, scheduler.key)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
    connection.request("GET", "/containerLogs/a/b/c")
    assert connection.getresponse().status == 403
