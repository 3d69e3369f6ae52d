"""examples/gitops: taken by the API, and applied by two tools at once, without a run too many."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.errors import ClusterError
from hack.gitops.embedded import CONFIG, KEY, ROOT, SCRIPT
from tests.chart.gitops.modules import crds_of_gitops, establish
from tests.chart.rendering import CHART, helm
from tests.controller.differences import different

pytestmark = [pytest.mark.chart, pytest.mark.timeout(900)]

EXAMPLES = ROOT / "examples/gitops"
TOOLS = sorted(path for name in ("argocd", "flux") for path in (EXAMPLES / name).glob("*.yaml"))
JOBS = EXAMPLES / "jobs"
TEAM = "--as=system:serviceaccount:flux-system:research"
"""Whose rights Flux applies the team's folder with."""


@pytest.fixture(scope="module")
def with_tools(cluster: Any) -> Any:
    """A cluster that knows the kinds of Argo CD and Flux, and what the platform gives the team."""
    establish(cluster, crds_of_gitops())
    for namespace in ("argocd", "flux-system"):
        cluster.kubectl("create", "namespace", namespace)
    applied(cluster, EXAMPLES / "flux/jobs.yaml")
    return cluster


def applied(cluster: Any, path: Path, *flags: str) -> str:
    shown: str = cluster.kubectl(
        "apply", "--server-side", "--validate=strict", *flags, "-f", str(path)
    )
    return shown


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_what_the_tools_read_is_what_their_own_api_takes(with_tools: Any, path: Path) -> None:
    count = len(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))))
    assert applied(with_tools, path, "--dry-run=server").count("serverside-applied") == count


def test_a_field_that_a_tool_does_not_know_would_be_seen(with_tools: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = (EXAMPLES / "argocd/jobs.yaml").read_text(encoding="utf-8")
    wrong.write_text(text.replace("selfHeal", "selfheal"), encoding="utf-8")
    with pytest.raises(Exception, match="selfheal"):
        applied(with_tools, wrong, "--dry-run=server")


def test_the_platforms_project_allows_every_namespace_that_the_chart_puts_something_into(
    tmp_path: Path,
) -> None:
    projects, (app,) = (
        list(yaml.safe_load_all((EXAMPLES / "argocd" / name).read_text(encoding="utf-8")))
        for name in ("projects.yaml", "tenyson.yaml")
    )
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(app["spec"]["source"]["helm"]["valuesObject"]))
    place = ("--namespace", app["spec"]["destination"]["namespace"])
    text = helm("template", "tenyson", CHART, *place, "--values", values).stdout
    touched = {body["metadata"].get("namespace") for body in yaml.safe_load_all(text) if body}
    (project,) = (p for p in projects if p["metadata"]["name"] == app["spec"]["project"])
    allowed = {destination["namespace"] for destination in project["spec"]["destinations"]}
    assert touched - {None} <= allowed


def test_the_health_script_is_patched_in_beside_what_argo_cd_has(with_tools: Any) -> None:
    with_tools.kubectl(
        "create", "configmap", "argocd-cm", "-n", "argocd", "--from-literal=url=https://argo"
    )
    with_tools.kubectl(
        "patch", "configmap", "argocd-cm", "-n", "argocd", "--patch-file", str(CONFIG)
    )
    found = json.loads(
        with_tools.kubectl("get", "configmap", "argocd-cm", "-n", "argocd", "-o", "json")
    )
    assert found["data"] == {"url": "https://argo", KEY: SCRIPT.read_text(encoding="utf-8")}


def test_the_team_may_put_jobs_into_its_namespace_and_change_nothing_else(with_tools: Any) -> None:
    with_tools.kubectl("apply", "--server-side", "--dry-run=server", TEAM, "-k", str(JOBS))
    level = "pod-security.kubernetes.io/enforce=privileged"
    with pytest.raises(ClusterError, match="forbidden"):
        with_tools.kubectl("label", "namespace", "research", "--overwrite", level, TEAM)
    for kind in ("pods", "jobs.batch", "secrets", "rolebindings", "clustertenysonruntimes"):
        with pytest.raises(ClusterError):
            with_tools.kubectl("auth", "can-i", "create", kind, "-n", "research", TEAM)


def test_the_folder_of_jobs_is_applied_by_both_tools_without_a_conflict(with_tools: Any) -> None:
    """By server-side apply, with neither forcing the other."""
    cluster, argo_cd, flux = with_tools, ("argocd-controller",), ("kustomize-controller", TEAM)
    for manager, *account in (argo_cd, flux, argo_cd):
        cluster.kubectl(
            "apply", "--server-side", "--validate=strict", f"--field-manager={manager}",
            *account, "-k", str(JOBS),
        )  # fmt: skip
    found = json.loads(cluster.kubectl("get", "tj", "-n", "research", "-o", "json"))["items"]
    assert {job["metadata"]["name"] for job in found} == {
        "sft-lr-2e-4", "wordle-sft", "wordle-rl", "wordle-eval",
    }  # fmt: skip
    assert {job["metadata"]["generation"] for job in found} == {1}
    folder = cluster.kubectl("create", "--dry-run=client", "-o", "json", "-k", str(JOBS))
    bodies = json.loads("[" + folder.replace("\n}\n{\n", "\n},\n{\n") + "]")
    specs = {body["metadata"]["name"]: body["spec"] for body in bodies
             if body["kind"] == "TenysonJob"}  # fmt: skip
    for job in found:
        assert different(specs[job["metadata"]["name"]], job["spec"]) == []
