"""TenysonJobs in Git: applied again and again by several tools, pruned, and past their time."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tenyson.controller import names
from tests.controller.api import Namespace, eventually, result
from tests.controller.builders import condition
from tests.controller.differences import different

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

Apply = Callable[..., None]
MANAGERS = ("argocd-controller", "kustomize-controller")
TOOLS = [(manager, flags) for manager in MANAGERS for flags in ((), ("--server-side",))]
FLUX = "kustomize.toolkit.fluxcd.io/name"
ARGO_CD = "argocd.argoproj.io/tracking-id"


@pytest.fixture
def apply(cluster: Any, ns: Namespace) -> Apply:
    """Applies a job as a tool does."""

    def applied(manager: str, *flags: str, job: str = "j", **content: Any) -> None:
        body = ns.manifest(job, **content.pop("spec", {}))
        body["metadata"] |= content
        cluster.kubectl(
            "apply", *flags, f"--field-manager={manager}", "-f", "-", stdin=json.dumps(body)
        )

    return applied


def by_all_tools(apply: Apply, **content: Any) -> None:
    for manager, flags in TOOLS:
        apply(manager, *flags, **content)


def identity(ns: Namespace) -> tuple[Any, ...]:
    """Returns what tells one run from another, and its children."""
    job = ns.job("j")
    assert job is not None
    return job["metadata"]["uid"], job["metadata"]["generation"], job["status"], ns.children()


def finished(ns: Namespace) -> None:
    ns.run_to_end("j-a0", 0, result())
    ns.phase("j", "Succeeded")


@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_a_job_that_is_applied_again_unchanged_runs_once(
    ns: Namespace, apply: Apply, flags: tuple[str, ...]
) -> None:
    spec = {"dependsOn": [{"job": "before"}]}
    apply(MANAGERS[0], *flags, spec=spec)
    ns.reason("j", "Running", "DependencyNotFound")
    waiting = identity(ns)
    by_all_tools(apply, spec=spec)
    assert identity(ns) == waiting

    ns.create("before")
    ns.run_to_end("before-a0", 0, result())
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    running = identity(ns)
    by_all_tools(apply, spec=spec)
    assert identity(ns) == running

    ns.end_pod("j-a0", 0, result())
    ns.phase("j", "Succeeded")
    over = identity(ns)
    by_all_tools(apply, spec=spec)
    assert identity(ns) == over
    assert over[:2] == waiting[:2]
    assert over[3] == ["before-a0", "j-a0"]


def test_the_controller_owns_the_status_and_nothing_that_a_tool_may_apply(
    ns: Namespace, apply: Apply
) -> None:
    apply(MANAGERS[0], "--server-side")
    finished(ns)
    job = ns.job("j")
    assert job is not None
    for entry in job["metadata"]["managedFields"]:
        is_ours = entry["manager"] == names.FIELD_MANAGER
        assert set(entry["fieldsV1"]) <= ({"f:status"} if is_ours else {"f:metadata", "f:spec"})


def test_what_is_not_in_git_stays_as_it_was_set_by_hand(ns: Namespace, apply: Apply) -> None:
    apply(MANAGERS[0], "--server-side")
    ns.child("j-a0")
    ns.edit("j", suspend=True)
    by_all_tools(apply)
    assert (ns.job("j") or {})["spec"]["suspend"] is True


def test_what_is_in_the_cluster_is_what_is_in_git_lists_included(
    ns: Namespace, apply: Apply
) -> None:
    spec = {
        "dependsOn": [{"job": "before"}],
        "env": [{"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "placement": {"tolerations": [{"key": "team"}]},
    }  # fmt: skip
    apply(MANAGERS[0], spec=spec)
    job = ns.job("j")
    assert job is not None
    assert different(ns.manifest("j", **spec), job) == []


def test_an_edit_that_is_refused_leaves_the_run_alone_and_forced_makes_a_new_one(
    cluster: Any, ns: Namespace, apply: Apply
) -> None:
    apply(MANAGERS[0])
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    before = identity(ns)
    edit = {"config": {"model": {"name": "task:tiny"}, "training": {"max_steps": 5}}}
    with pytest.raises(Exception, match="Only suspend, stop, retry"):
        apply(MANAGERS[0], spec=edit)
    apply(MANAGERS[0], "--force")
    assert identity(ns) == before, "unchanged, nothing is forced"
    apply(MANAGERS[0], "--force", spec=edit)
    assert identity(ns)[0] != before[0]


@pytest.mark.parametrize("propagation", ["Foreground", "Background"])
def test_a_job_that_is_taken_out_of_git_saves_and_goes_without_another_attempt(
    ns: Namespace, apply: Apply, propagation: str
) -> None:
    apply(MANAGERS[0], "--server-side")
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    ns.api.call("DELETE", f"{ns.jobs_path}/j", {"propagationPolicy": propagation})
    eventually(lambda: ns.is_stopping("j-a0"))
    pod = ns.pod("j-a0")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 120
    assert (ns.job("j") is None) is (propagation == "Background")
    ns.remove(ns.end(pod, 75, result(status="stopped")))
    eventually(lambda: ns.job("j") is None)
    eventually(lambda: not ns.children())
    apply(MANAGERS[0], "--server-side")
    assert ns.child("j-a0"), "back in Git it is a new run"


# Waiting


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (64, "Failed")])
def test_kubectl_waits_for_either_end(
    cluster: Any, ns: Namespace, apply: Apply, code: int, phase: str
) -> None:
    apply(MANAGERS[0])
    ns.run_to_end("j-a0", code, result(status="success" if code == 0 else "failed"))
    wait = ("wait", "tj/j", "-n", ns.name, "--timeout=60s")
    cluster.kubectl(*wait, "--for=jsonpath={.status.completionTime}")
    assert ns.status("j")["phase"] == phase
    cluster.kubectl(*wait, f"--for=condition={'Complete' if code == 0 else 'Failed'}")


def test_kubectl_does_not_take_a_job_that_nobody_has_seen_for_one_that_is_over(
    ns: Namespace,
) -> None:
    path = f"{ns.jobs_path}?dryRun=All"
    unseen = ns.api.call("POST", path, ns.manifest("unseen"))
    assert unseen["status"] == {"observedGeneration": -1}


# Time to live


@pytest.mark.parametrize(
    "marks", [{"annotations": {ARGO_CD: "training:tenyson.dev/TenysonJob:n/j"}},
              {"labels": {FLUX: "training"}}], ids=["annotation", "label"],
)  # fmt: skip
def test_a_finished_job_that_git_would_bring_back_stays_without_its_children(
    ns: Namespace, apply: Apply, marks: dict[str, Any]
) -> None:
    (mark,) = next(iter(marks.values()))
    content = {"spec": {"ttlSecondsAfterFinished": 0}, **marks}
    apply(MANAGERS[0], "--server-side", **content)
    finished(ns)
    expired = ns.reason("j", "Expired", "TrackedInGit")
    assert mark in expired["message"]
    eventually(lambda: not ns.children())
    over = identity(ns)
    apply(MANAGERS[0], "--server-side", **content)
    assert identity(ns) == over
    assert condition(ns.status("j"), "Complete")["status"] == "True"
    (event,) = eventually(lambda: ns.events("TrackedInGit"))
    assert event["count"] == 1


def test_a_finished_job_goes_once_no_tool_would_bring_it_back(ns: Namespace, apply: Apply) -> None:
    content = {"spec": {"ttlSecondsAfterFinished": 0}, "labels": {FLUX: "training"}}
    apply(MANAGERS[0], "--server-side", **content)
    finished(ns)
    ns.reason("j", "Expired", "TrackedInGit")
    ns.api.merge(f"{ns.jobs_path}/j", {"metadata": {"labels": {FLUX: None}}})
    eventually(lambda: ns.job("j") is None)


def test_a_longer_time_to_live_takes_the_end_of_it_back(ns: Namespace, apply: Apply) -> None:
    content = {"spec": {"ttlSecondsAfterFinished": 0}, "labels": {FLUX: "training"}}
    apply(MANAGERS[0], "--server-side", **content)
    finished(ns)
    ns.reason("j", "Expired", "TrackedInGit")
    ns.edit("j", ttlSecondsAfterFinished=3600)
    eventually(lambda: not condition(ns.status("j"), "Expired"))
    job = ns.job("j")
    assert job is not None
    assert job["status"]["observedGeneration"] == job["metadata"]["generation"] == 2
