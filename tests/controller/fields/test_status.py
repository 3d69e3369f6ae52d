"""The status as tools read it: kstatus, `kubectl wait`, `kubectl get`, and its size."""

import json
from typing import Any

import pytest

from tenyson.controller.observed import Object
from tenyson.controller.resource.status import TenysonJobStatus
from tenyson.controller.status_size import MAX_BYTES
from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import condition
from tests.controller.fields.kueue import Kueue
from tests.controller.fields.runtimes import TEAM, make_runtime
from tests.controller.reports import push_as

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}

KSTATUS = {
    "Pending": "InProgress", "Queued": "InProgress", "Starting": "InProgress",
    "Running": "InProgress", "Stopping": "InProgress", "Suspended": "Current",
    "Succeeded": "Current", "Failed": "Current", "Stopped": "Current",
}  # fmt: skip
"""What Flux and Argo CD's health script make of each phase, unless a person must act."""


def kstatus(job: Object) -> str:
    """Returns the state by the rules of kstatus for resources with its two conditions."""
    status = job["status"]
    if status["observedGeneration"] != job["metadata"]["generation"]:
        return "InProgress"
    if condition(status, "Reconciling").get("status") == "True":
        return "InProgress"
    return "Failed" if condition(status, "Stalled").get("status") == "True" else "Current"


def held(job: Object, kind: str) -> bool:
    return bool(condition(job["status"], kind).get("status") == "True")


def lives(ns: Namespace) -> None:
    """Leads jobs through every phase, and through refusals."""
    ns.create("refused", runtimeRef=TEAM)
    ns.reason("refused", "Accepted", "RuntimeNotFound")
    ns.create("waits", dependsOn=[{"job": "done"}])
    ns.phase("waits", "Pending")
    ns.create("queued", queueName="gpus")
    ns.phase("queued", "Queued")
    Kueue(ns).admit("queued-a0")
    ns.create("done")
    ns.phase("done", "Starting")
    ns.run_to_end("done-a0", 0, result())
    ns.phase("done", "Succeeded")
    ns.create("fails", retry={"maxRetries": 1, **AT_ONCE})
    ns.run_to_end("fails-a0", 70)
    ns.run_pod("fails-a1")
    ns.phase("fails", "Running", attempt=1)
    ns.end_pod("fails-a1", 70)
    ns.phase("fails", "Failed")
    ns.run_pod("queued-a0")
    ns.phase("queued", "Running")
    ns.edit("queued", suspend=True)
    ns.phase("queued", "Stopping")
    ns.remove(ns.end_pod("queued-a0", 75))
    ns.phase("queued", "Suspended")
    ns.edit("queued", stop=True)
    ns.phase("queued", "Stopped")


def test_every_version_of_every_status_keeps_the_rules(ns: Namespace) -> None:
    since = ns.api.call("GET", ns.jobs_path)["metadata"]["resourceVersion"]
    lives(ns)
    versions = [job for job in ns.api.history(ns.jobs_path, since) if job["status"].get("phase")]
    for job in versions:
        status = job["status"]
        TenysonJobStatus.model_validate(status)
        if status["observedGeneration"] != job["metadata"]["generation"]:
            continue  # the spec has just been edited
        stalled = held(job, "Stalled")
        assert not (stalled and held(job, "Reconciling")), status
        assert kstatus(job) == ("Failed" if stalled else KSTATUS[status["phase"]]), status
        assert all(c["observedGeneration"] for c in status["conditions"])
        ended = held(job, "Complete") or held(job, "Failed")
        assert ended == (status["phase"] in ("Succeeded", "Failed", "Stopped"))
        assert ended == ("completionTime" in status)
        assert not (held(job, "Complete") and held(job, "Failed"))
    assert {job["status"]["phase"] for job in versions} == set(KSTATUS)


def test_an_edit_is_observed_in_every_phase(ns: Namespace) -> None:
    ns.create("suspended", suspend=True)
    ns.create("refused", runtimeRef=TEAM)
    ns.create("runs")
    ns.run_pod("runs-a0")
    ns.create("done")
    ns.run_to_end("done-a0", 0, result())
    phases = {"suspended": "Suspended", "refused": "Pending", "runs": "Running",
              "done": "Succeeded"}  # fmt: skip
    for name, phase in phases.items():
        ns.phase(name, phase)
        ns.edit(name, ttlSecondsAfterFinished=3600)
        ns.phase(name, phase, observedGeneration=2)


def test_kubectl_waits_for_the_end_and_shows_it(cluster: Any, ns: Namespace) -> None:
    ns.create("good", queueName="gpus", type="RL")
    ns.create("bad")
    ns.phase("good", "Queued")
    Kueue(ns).admit("good-a0")
    pod = ns.run_pod("good-a0")
    ns.phase("good", "Running")
    push_as(ns, pod, 4)
    eventually(lambda: ns.status("good").get("progress"))
    shown = cluster.kubectl("get", "tj", "-n", ns.name, "-o", "wide").splitlines()
    assert shown[0].split() == [
        "NAME", "TYPE", "PHASE", "PROGRESS", "STEP", "ATTEMPT", "AGE", "QUEUE", "BACKEND", "NODE",
        "REASON",
    ]  # fmt: skip
    good = next(line.split() for line in shown if line.startswith("good"))
    assert good[1:6] == ["RL", "Running", "40", "4", "0"]
    assert good[7:] == ["gpus", "Kubernetes", "played", "Running"]
    ns.end_pod("good-a0", 0, result())
    ns.run_to_end("bad-a0", 64)
    for name, kind in (("good", "Complete"), ("bad", "Failed")):
        cluster.kubectl(
            "wait", f"--for=condition={kind}", f"tj/{name}", "-n", ns.name, "--timeout=20s"
        )


def test_a_status_with_the_most_of_everything_stays_within_its_limit(ns: Namespace) -> None:
    make_runtime(ns, pod={"annotations": {f"a{n}": "x" * 4000 for n in range(4)}})
    ns.create("j", runtimeRef=TEAM, retry={"maxRetries": 9, **AT_ONCE})
    since = ns.api.call("GET", ns.jobs_path)["metadata"]["resourceVersion"]
    long = {"type": "T" * 500, "message": "m" * 1500, "hint": "h" * 1500}
    for number in range(2):
        pod = ns.run_pod(f"j-a{number}")
        ns.phase("j", "Running", attempt=number)
        push_as(ns, pod, 1, **{f"{n}".ljust(200, "x"): f"{n}" for n in range(64)})
        ns.end_pod(f"j-a{number}", 70, result(status="failed", failure=long))
    artifacts = [{"kind": "k", "path": f"{n}".ljust(900, "p"), "bytes": 1} for n in range(60)]
    warnings = [f"{n}".ljust(900, "w") for n in range(32)]
    ns.run_pod("j-a2")
    ns.end_pod("j-a2", 0, result(artifacts=artifacts, warnings=warnings))
    status = ns.phase("j", "Succeeded")
    assert status["result"]["metrics"] == {"train_loss": 0.25}
    assert status["pinned"]
    sizes = [len(json.dumps(job["status"])) for job in ns.api.history(ns.jobs_path, since)]
    assert 20_000 < max(sizes) <= MAX_BYTES
