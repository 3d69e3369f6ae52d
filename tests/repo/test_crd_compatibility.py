"""Nobody's stored TenysonJob is broken by an upgrade: fields are added, never taken away."""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.chart.compatibility import breaking_changes

ROOT = Path(__file__).parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
Spec = dict[str, Any]


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_what_the_last_release_stored_is_still_taken(path: Path) -> None:
    name = _git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD").strip()
    if not name:
        pytest.skip("there is no release yet")
    older = _git("show", f"{name}:{path.relative_to(ROOT)}")
    if not older:
        pytest.skip(f"{name} did not have it")
    assert not breaking_changes(yaml.safe_load(older), yaml.safe_load(path.read_text()))


def test_the_same_crd_and_one_with_more_are_compatible() -> None:
    crd = _job()
    newer = copy.deepcopy(crd)
    _fields(newer)["purpose"] = {"type": "string"}
    _fields(newer)["image"]["maxLength"] += 1
    _fields(newer)["type"]["enum"].append("DPO")
    assert breaking_changes(crd, crd) == []
    assert breaking_changes(crd, newer) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda spec: spec["properties"].pop("image"), "v1alpha1: .spec.image is gone"),
        (lambda spec: spec["properties"]["nodes"].update(type="string"), ".spec.nodes was integer"),
        (lambda spec: spec["required"].append("config"), ".spec.config is required now"),
        (lambda spec: spec["properties"]["type"].update(enum=["SFT"]), "takes only ['SFT']"),
        (lambda spec: spec["properties"]["image"].update(maxLength=3), "has maxLength 3, had"),
        (lambda spec: spec["properties"]["nodes"].update(minimum=2), "has minimum 2, had 1"),
        (lambda spec: spec["properties"]["image"].pop("nullable"), ".spec.image may not be null"),
        (lambda spec: spec["properties"]["task"].update(pattern="^a$"), "must match ^a$"),
        (
            lambda spec: spec["properties"]["env"]["items"]["properties"].pop("value"),
            ".spec.env[].value is gone",
        ),
    ],
)
def test_a_change_that_breaks_what_is_stored_is_found(
    change: Callable[[Spec], object], sentence: str
) -> None:
    crd = _job()
    newer = copy.deepcopy(crd)
    change(newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    (found,) = breaking_changes(crd, newer)
    assert sentence in found


def test_a_version_that_is_gone_is_found() -> None:
    newer = _job()
    newer["spec"]["versions"][0]["name"] = "v1"
    assert breaking_changes(_job(), newer) == ["version v1alpha1 is gone"]


def _job() -> dict[str, Any]:
    path = ROOT / "crds" / "tenyson.dev_tenysonjobs.yaml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _fields(crd: dict[str, Any]) -> dict[str, Any]:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return fields


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""
