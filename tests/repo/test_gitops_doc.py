"""docs/gitops.md and examples/gitops say one and the same, and what they say can be read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.gitops.__main__ import main
from hack.gitops.embedded import DOCUMENT, ROOT, SCRIPT, wanted
from tenyson.controller import names
from tenyson.controller.resource.runtime import TenysonRuntimeSpec
from tenyson.controller.resource.spec import parse_spec

GITOPS = ROOT / "docs/gitops.md"
EXAMPLES = ROOT / "examples/gitops"
MANIFESTS = sorted(EXAMPLES.rglob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_the_health_script_is_everywhere_the_same() -> None:
    assert main(["--check"]) == 0, "run `python -m hack.gitops`"
    (config,) = documents(EXAMPLES / "argocd/argocd-cm.yaml")
    script = SCRIPT.read_text(encoding="utf-8")
    assert list(config["data"].values()) == [script]
    assert set(wanted()) == {DOCUMENT, EXAMPLES / "argocd/argocd-cm.yaml"}


def test_both_documents_have_the_same_health_expressions() -> None:
    texts = [DOCUMENT.read_text("utf-8"), (EXAMPLES / "flux/jobs.yaml").read_text("utf-8")]
    found = [re.findall(r"^ *(failed|current): (.*)$", text, re.MULTILINE) for text in texts]
    assert found[0] == found[1]
    assert len(found[0]) == 2


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_job_and_runtime_of_the_examples_is_one_that_the_controller_reads(path: Path) -> None:
    for body in documents(path):
        if body["kind"] == names.KIND:
            parse_spec(body["spec"])
        if body["kind"] == names.RUNTIME_KIND:
            TenysonRuntimeSpec.model_validate(body["spec"])


def test_the_folder_of_jobs_names_all_its_files_and_everything_that_the_checks_wait_for() -> None:
    (folder,) = documents(EXAMPLES / "jobs/kustomization.yaml")
    files = {path.name for path in (EXAMPLES / "jobs").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(folder["resources"]) == files
    jobs = {
        body["metadata"]["name"] for name in files for body in documents(EXAMPLES / "jobs" / name)
    }
    waited = [check for body in documents(EXAMPLES / "flux/jobs.yaml")
              for check in body.get("spec", {}).get("healthChecks", ())]  # fmt: skip
    assert {check["name"] for check in waited} <= jobs
    assert waited


def test_the_team_puts_in_what_its_project_and_its_role_let_it_and_nothing_of_the_cluster() -> None:
    """With its namespace's label in its own hands, a team could run any pod there."""
    projects = documents(EXAMPLES / "argocd/projects.yaml")
    (project,) = (p["spec"] for p in projects if "namespaceResourceWhitelist" in p.get("spec", {}))
    assert project["clusterResourceWhitelist"] == []
    allowed = {kind["kind"] for kind in project["namespaceResourceWhitelist"]}
    folder = [path for path in (EXAMPLES / "jobs").glob("*.yaml") if "kustomiz" not in path.name]
    assert {body["kind"] for path in folder for body in documents(path)} <= allowed
    (role,) = (body for body in documents(EXAMPLES / "flux/jobs.yaml") if body["kind"] == "Role")
    resources = {name for rule in role["rules"] for name in rule["resources"]}
    assert resources == {f"{kind.lower()}s" for kind in allowed}


def test_the_document_names_every_mark_that_keeps_a_job() -> None:
    text = GITOPS.read_text(encoding="utf-8")
    table = text.partition("| mark | whose |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([\w.-]+/[\w-]+)`", table)) == set(names.TRACKING_MARKS)


def test_every_link_of_the_document_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", GITOPS.read_text(encoding="utf-8")):
        assert (GITOPS.parent / target).exists(), target
