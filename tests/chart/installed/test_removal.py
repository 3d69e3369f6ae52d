"""Uninstalling, installing again, and deleted namespaces, with runs under way."""

import pytest

from hack.cluster.waiting import wait_for
from tests.chart.installed.helm import CRDS, Helm, Release
from tests.chart.installed.jobs import Jobs, went_on_undisturbed

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(1200)]


def crds(helm: Helm) -> set[str]:
    names = helm.cluster.kubectl("get", "crd", "-o", "jsonpath={.items[*].metadata.name}")
    return set(names.split()) & set(CRDS)


def test_runs_outlive_the_release_and_the_next_one_adopts_them(
    release: Release, jobs: Jobs
) -> None:
    release.install()
    pods = {}
    for name in ("ends-meanwhile", "ends-later"):
        jobs.apply(name)
        pods[name] = jobs.running_pod(name)

    release.uninstall()
    assert crds(release.helm) == set(CRDS)
    jobs.release("ends-meanwhile")
    jobs.pod_phase("ends-meanwhile", "Succeeded")
    assert jobs.pod_phase("ends-later", "Running") == pods["ends-later"]
    assert jobs.status("ends-meanwhile")["phase"] == "Running"  # nobody is there to say otherwise

    release.install()
    adopted = jobs.phase("ends-meanwhile", "Succeeded")
    later = jobs.finish("ends-later")
    for name, status in (("ends-meanwhile", adopted), ("ends-later", later)):
        assert went_on_undisturbed(status)
        assert jobs.pods(name) == [pods[name]]


def test_without_crds_keep_the_jobs_go_with_the_release(release: Release, jobs: Jobs) -> None:
    release.install("--set", "crds.keep=false")
    jobs.apply("one")
    jobs.running_pod("one")
    release.uninstall()
    wait_for(lambda: not crds(release.helm), "the CRDs to be gone", 60)
    wait_for(lambda: not jobs.pods("one"), "the run's pod to be gone", 60)


def test_a_run_outlives_the_controllers_namespace(release: Release, jobs: Jobs) -> None:
    release.install()
    jobs.apply("one")
    pod = jobs.running_pod("one")
    release.helm.cluster.kubectl("delete", "namespace", release.namespace)
    assert jobs.pod_phase("one", "Running") == pod
    release.install()  # its cluster-wide objects are still there, and are taken over
    assert went_on_undisturbed(jobs.finish("one"))
    assert jobs.pods("one") == [pod]


def test_a_deleted_namespace_takes_its_runs_along_and_nothing_else(
    release: Release, jobs: Jobs, other_jobs: Jobs
) -> None:
    release.install()
    for some in (jobs, other_jobs):
        some.apply("one")
        some.running_pod("one")
    release.helm.cluster.kubectl("delete", "namespace", jobs.namespace)
    assert went_on_undisturbed(other_jobs.finish("one"))
    assert release.restarts() == [0, 0]
