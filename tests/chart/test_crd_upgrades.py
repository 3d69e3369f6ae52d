"""Helm upgrades the CRDs under stored and running jobs, and goes back; nobody notices."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.local import LocalCluster
from hack.cluster.waiting import wait_for
from tests.chart.rendering import CHART, RELEASE, helm

pytestmark = [pytest.mark.chart, pytest.mark.cluster]
_JOBS = "/apis/tenyson.dev/v1alpha1/namespaces/default/tenysonjobs"
_SPEC = {"type": "SFT", "task": "a.b:C", "config": {"model": {"name": "tiny"}}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane alone: nothing but the API server has a say about CRDs."""
    with LocalCluster(tmp_path_factory.mktemp("crds"), node=False) as running:
        yield running


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The chart of a version whose jobs have one field more."""
    copy = shutil.copytree(CHART, tmp_path / "tenyson")
    path = copy / "files" / "crds" / "tenyson.dev_tenysonjobs.yaml"
    crd = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["purpose"] = {"type": "string", "maxLength": 64}
    path.write_text(yaml.safe_dump(crd), encoding="utf-8")
    return copy


def test_jobs_are_untouched_by_newer_crds_and_by_older_ones_again(
    cluster: LocalCluster, newer: Path
) -> None:
    api = cluster.control_plane.admin
    _helm(cluster, "install", RELEASE[0], CHART, "--create-namespace")
    wait_for(lambda: api.find(_JOBS), "the API of TenysonJobs")
    _create(cluster, "stored")
    running = _create(cluster, "running")
    running["status"] = {"phase": "Running", "attempt": 0, "startTime": "2026-01-01T00:00:00Z"}
    api.request("PUT", f"{_JOBS}/running/status", running)
    before = {name: api.find(f"{_JOBS}/{name}") for name in ("stored", "running")}
    assert not _knows_the_field(cluster)

    _helm(cluster, "upgrade", RELEASE[0], newer)
    wait_for(lambda: _knows_the_field(cluster), "the newer schema")
    _create(cluster, "purposeful", purpose="try")
    assert {name: api.find(f"{_JOBS}/{name}") for name in before} == before

    _helm(cluster, "rollback", RELEASE[0], "1")
    wait_for(lambda: not _knows_the_field(cluster), "the older schema")
    assert {name: api.find(f"{_JOBS}/{name}") for name in before} == before
    wait_for(lambda: "purpose" not in _spec(cluster, "purposeful"), "the field to be hidden")

    _helm(cluster, "upgrade", RELEASE[0], newer)
    wait_for(lambda: _spec(cluster, "purposeful").get("purpose") == "try", "what was stored")


def test_crds_of_somebody_else_are_left_alone(cluster: LocalCluster, newer: Path) -> None:
    without = ("--set", "crds.enabled=false")
    _helm(cluster, "upgrade", "--install", RELEASE[0], newer, "--create-namespace")
    _helm(cluster, "upgrade", RELEASE[0], CHART, *without)
    wait_for(lambda: _knows_the_field(cluster), "the schema that was there")
    _helm(cluster, "uninstall", RELEASE[0], values=False)
    assert _knows_the_field(cluster)


def _helm(cluster: LocalCluster, *arguments: str | Path, values: bool = True) -> None:
    """Runs Helm without what needs a node, which is not the matter here."""
    given = ["--values", CHART / "ci" / "bare-values.yaml", "--set", "crds.enabled=true"]
    shown = given if values and arguments[0] in ("install", "upgrade") else []
    helm(arguments[0], *shown, *arguments[1:], *RELEASE[1:], "--kubeconfig", cluster.kubeconfig)


def _create(cluster: LocalCluster, name: str, query: str = "", **spec: Any) -> dict[str, Any]:
    body = {"apiVersion": "tenyson.dev/v1alpha1", "kind": "TenysonJob", "metadata": {"name": name}}
    job = {**body, "spec": {**_SPEC, **spec}}
    return dict(cluster.control_plane.admin.request("POST", f"{_JOBS}{query}", job))


def _knows_the_field(cluster: LocalCluster) -> bool:
    """Whether the API server would keep the newer field, or drop it as unknown."""
    return "purpose" in _create(cluster, "probe", "?dryRun=All", purpose="try")["spec"]


def _spec(cluster: LocalCluster, name: str) -> dict[str, Any]:
    found = cluster.control_plane.admin.find(f"{_JOBS}/{name}")
    assert found is not None
    return dict(found["spec"])
