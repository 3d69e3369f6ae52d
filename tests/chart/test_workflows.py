"""The workflows are what GitHub takes, call what exists, and may do no more than they need."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hack.charttools.tools import tool
from tests.chart.rendering import ROOT

pytestmark = pytest.mark.chart
_FILES = sorted((ROOT / ".github").rglob("*.yaml"))
_WORKFLOWS = [path for path in _FILES if path.parent.name == "workflows"]
_MAY_WRITE = {
    ("release.yaml", "images"): {"packages"},
    ("release.yaml", "chart"): {"packages", "contents"},
}


def test_actionlint_finds_no_mistake() -> None:
    answer = subprocess.run(
        [tool("actionlint"), "-no-color", *_WORKFLOWS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_action_is_pinned_to_a_major_version() -> None:
    for step in _steps():
        action = step.get("uses", "")
        assert not action or action.startswith("./") or re.fullmatch(r"[\w./-]+@v\d+", action), (
            action
        )


def test_every_make_target_and_module_that_is_called_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.M))
    called = "\n".join(step.get("run", "") for step in _steps())
    asked = {word for line in re.findall(r"make ([a-z0-9 -]+)", called) for word in line.split()}
    assert {"lint", "types", "test", "test-chart", "verify", "e2e", "dist"} == asked
    assert asked <= targets
    modules = set(re.findall(r"python -m (hack[\w.]*)", called))
    assert modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_dockerfile_that_is_built_exists_and_takes_the_arguments_it_is_given() -> None:
    job = _read("release.yaml")["jobs"]["images"]
    build = next(it for it in job["steps"] if "build-push-action" in it.get("uses", ""))
    assert {it["image"] for it in job["strategy"]["matrix"]["include"]} == {"controller", "runner"}
    for variant in job["strategy"]["matrix"]["include"]:
        path = ROOT / build["with"]["file"].replace("${{ matrix.image }}", variant["image"])
        given = f"{build['with']['build-args']}\n{variant.get('arguments', '')}"
        declared = re.findall(r"^ARG (\w+)", path.read_text(encoding="utf-8"), re.M)
        assert {"VERSION", "REVISION"} <= set(found := re.findall(r"^(\w+)=", given, re.M))
        assert set(found) <= set(declared), path


def test_images_are_pushed_with_their_parts_list_and_provenance() -> None:
    steps = _read("release.yaml")["jobs"]["images"]["steps"]
    build = next(it["with"] for it in steps if "build-push-action" in it.get("uses", ""))
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)


def test_a_job_may_write_only_what_it_must() -> None:
    for path in _WORKFLOWS:
        workflow = _read(path.name)
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for name, job in workflow["jobs"].items():
            given = job.get("permissions", {})
            writes = {scope for scope, level in given.items() if level == "write"}
            assert writes == _MAY_WRITE.get((path.name, name), set()), f"{path.name}, {name}"


def test_nothing_is_pushed_before_the_tag_was_checked_and_the_tests_passed() -> None:
    jobs = _read("release.yaml")["jobs"]
    for name, job in jobs.items():
        if "write" in job.get("permissions", {}).values():
            assert {"check", "test"} <= _before(name, jobs), name


def test_a_release_was_tried_on_a_real_node_too() -> None:
    assert _read("release.yaml")["jobs"]["test"]["uses"] == "./.github/workflows/test.yaml"
    assert "|| github.ref_type == 'tag'" in _read("test.yaml")["jobs"]["e2e"]["if"]
    assert _read("release.yaml")[True]["push"] == {"tags": ["v*"]}  # YAML 1.1 reads `on` as true


def test_every_job_has_a_time_limit() -> None:
    for path in _WORKFLOWS:
        for name, job in _read(path.name)["jobs"].items():
            assert "uses" in job or job["timeout-minutes"] <= 120, f"{path.name}, {name}"


def _read(name: str) -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    return yaml.safe_load(text)


def _steps() -> Iterator[dict[str, Any]]:
    for path in _FILES:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        for job in [*found.get("jobs", {}).values(), found.get("runs", {})]:
            yield from job.get("steps", [])


def _before(name: str, jobs: dict[str, Any]) -> set[str]:
    """The jobs that have ended well before this one begins."""
    needed = jobs[name].get("needs", [])
    needed = [needed] if isinstance(needed, str) else needed
    return set(needed).union(*(_before(other, jobs) for other in needed))
