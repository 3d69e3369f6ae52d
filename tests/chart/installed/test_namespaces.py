"""The controller for some namespaces only, and two releases in one cluster."""

import pytest

from hack.cluster.local import LocalCluster
from tests.chart.installed import guide
from tests.chart.installed.helm import Helm, HelmError, Release
from tests.chart.installed.jobs import ROOT, Jobs, went_on_undisturbed

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(1200)]


def cluster_wide(cluster: LocalCluster) -> list[str]:
    """Returns the ClusterRoles and ClusterRoleBindings that a release of the chart has made."""
    kinds = "clusterroles,clusterrolebindings"
    selector = "app.kubernetes.io/name=tenyson"
    return cluster.kubectl("get", kinds, "-l", selector, "-o", "name").split()


def test_the_named_namespaces_are_served_and_no_other_without_cluster_rights(
    helm: Helm, cluster: LocalCluster
) -> None:
    served = [Jobs(cluster, name).prepare() for name in ("team-a", "team-a-runs")]
    other = Jobs(cluster, "team-b").prepare()
    for jobs in served:
        ada = ("ada", "--clusterrole=admin", "--user=ada")
        cluster.kubectl("create", "rolebinding", *ada, "-n", jobs.namespace)
    administrator, install = guide.blocks("namespaces")
    release = Release(helm, "team-a")
    try:
        guide.run(administrator, helm)
        guide.run(install, helm, HELM_KUBEASUSER="ada")
        assert cluster_wide(cluster) == []
        for jobs in (other, *served):
            jobs.apply("one")
        for jobs in served:
            assert went_on_undisturbed(jobs.finish("one"))
        assert "phase" not in other.status("one")  # nobody has looked at it
        account = "--as=system:serviceaccount:team-a:tenyson-controller"
        may = cluster.kubectl("auth", "can-i", "--list", account, "-n", "team-b")
        assert "tenysonjobs" not in may
    finally:
        release.clean_up()


def test_two_releases_serve_a_namespace_each(helm: Helm, cluster: LocalCluster) -> None:
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    releases = []
    try:
        for team in ("red", "blue"):
            Jobs(cluster, team).prepare()
            releases.append(Release(helm, team))
            values = ("--set", "crds.enabled=false", "--set", f"watchNamespaces={{{team}}}")
            releases[-1].install(*values)
        for team in ("red", "blue"):
            Jobs(cluster, team).apply("one")
        for team in ("red", "blue"):
            assert went_on_undisturbed(Jobs(cluster, team).finish("one"))
    finally:
        for release in releases:
            release.clean_up()


def test_a_second_release_for_all_namespaces_is_refused(
    release: Release, helm: Helm, cluster: LocalCluster
) -> None:
    release.install()
    with pytest.raises(HelmError, match="exists and cannot be imported into the current release"):
        Release(helm, "elsewhere").install()
    with pytest.raises(HelmError, match="exists and cannot be imported into the current release"):
        Release(helm, "elsewhere", "other-name").install()
    nothing_shared = ("--set", "crds.enabled=false", "--set", "runtime.create=false")
    with pytest.raises(HelmError, match=r'ClusterRole "tenyson-controller".* cannot be imported'):
        Release(helm, "elsewhere", "other-name").install(*nothing_shared)
