"""Pods that push their progress, and those that may not."""

import time

import pytest

from tenyson.contract import PROGRESS_AUDIENCE
from tenyson.controller.progress import MAX_BODY_BYTES
from tests.controller.api import PROGRESS_SECONDS, Namespace, eventually, result
from tests.controller.reports import push, report

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]


def test_a_pods_progress_reaches_the_status(ns: Namespace) -> None:
    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    assert eventually(lambda: push(ns, "j-a0", token, report(3)) == 200)
    progress = eventually(lambda: ns.status("j").get("progress"))
    del progress["updatedAt"]
    progress.pop("steppedAt", None)
    assert progress == {
        "step": 3, "totalSteps": 10, "percent": 30, "etaSeconds": 60, "metrics": {"loss": 0.5},
    }  # fmt: skip
    assert push(ns, "j-a0", token, report(7)) == 200
    eventually(lambda: ns.status("j")["progress"]["step"] == 7)
    ns.end_pod("j-a0", 0, result(global_step=10))
    assert ns.phase("j", "Succeeded")["progress"]["step"] == 10
    assert push(ns, "j-a0", token) == 403


def test_many_pushes_make_few_writes(ns: Namespace) -> None:
    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    eventually(lambda: push(ns, "j-a0", token, report(0)) == 200)
    seen, began = set(), time.monotonic()
    for step in range(60):
        push(ns, "j-a0", token, report(step % 10))
        seen.add(ns.job("j")["metadata"]["resourceVersion"])  # type: ignore[index]
    seconds = time.monotonic() - began
    others = 4  # of the phase and of what its pod shows
    assert len(seen) <= others + seconds / PROGRESS_SECONDS


def test_others_may_not_push(ns: Namespace) -> None:
    ns.create("j")
    ns.create("neighbour")
    pod = ns.run_pod("j-a0")
    ns.phase("j", "Running")
    good = ns.token(pod, PROGRESS_AUDIENCE)
    eventually(lambda: push(ns, "j-a0", good) == 200)
    assert push(ns, "j-a0", "") == 401
    assert push(ns, "j-a0", good[:-6] + "AAAAAA") == 401
    assert push(ns, "j-a0", ns.token(pod, "https://kubernetes.default.svc")) == 401
    other = ns.token(ns.run_pod("neighbour-a0"), PROGRESS_AUDIENCE)
    assert push(ns, "j-a0", other) == 403
    assert push(ns, "j-a0", good, path="/j/attempts/1/") == 403
    assert push(ns, "j-a0", good, path="/neighbour/attempts/0/") == 403
    assert push(ns, "j-a0", good, path="/nobody/attempts/0/") == 403


def test_a_report_that_cannot_be_read_is_refused(ns: Namespace) -> None:
    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    eventually(lambda: push(ns, "j-a0", token) == 200)
    for body in ([], {}, {"trainerStatus": {"metrics": [{"name": "loss", "value": "high"}]}}):
        assert push(ns, "j-a0", token, body) == 400
    assert push(ns, "j-a0", token, {"x": "y" * MAX_BODY_BYTES}) == 413
