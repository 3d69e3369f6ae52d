"""Every object of every preset is one that its API server would take, key for key."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.charttools.schemas import LOCATION, schemas_folder
from hack.charttools.tools import tool
from hack.cluster.binaries import KUBERNETES_VERSION
from tests.chart.rendering import ROOT, applied_later, objects, presets, rendered

pytestmark = pytest.mark.chart


@pytest.fixture(scope="module")
def schemas() -> Path:
    return schemas_folder(ROOT / "crds")


@pytest.mark.parametrize("preset", presets())
def test_kubeconform_takes_every_object(schemas: Path, preset: str) -> None:
    verdicts = _validated(schemas, rendered(preset))
    assert not _refused(verdicts)
    assert verdicts["summary"]["valid"] == len(objects(preset)) > 0
    assert verdicts["summary"]["skipped"] == 0


@pytest.mark.parametrize("preset", presets())
def test_kubeconform_takes_what_the_charts_jobs_apply(schemas: Path, preset: str) -> None:
    things = applied_later(preset)
    assert not _refused(_validated(schemas, yaml.safe_dump_all(things)))
    kinds = {thing["kind"] for thing in things}
    runtimes = kinds & {"TenysonRuntime", "ClusterTenysonRuntime"}
    assert len(runtimes) == (preset != "bare"), "each preset but the barest makes one kind"


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        ("kind: Deployment", "kind: Deployment\nspek: 1"),
        ("runAsNonRoot:", "runAsNonRot:"),
    ],
)
def test_kubeconform_finds_a_mistake(schemas: Path, found: str, changed: str) -> None:
    text = rendered("default")
    assert found in text
    assert _refused(_validated(schemas, text.replace(found, changed, 1)))


@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [
        ("monitoring.coreos.com/v1", "ServiceMonitor", {"selector": {}, "endpoints": []}),
        ("cert-manager.io/v1", "Certificate", {"secretName": "a", "issuerRef": {"name": "b"}}),
        ("tenyson.dev/v1alpha1", "TenysonJob", {"type": "SFT", "task": "a:B", "config": {}}),
    ],
)
def test_kinds_of_crds_are_held_as_strictly(
    schemas: Path, api_version: str, kind: str, spec: dict[str, Any]
) -> None:
    thing = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    assert not _refused(_validated(schemas, json.dumps(thing)))
    thing["spec"] = {**spec, "noSuchKey": 1}
    assert _refused(_validated(schemas, json.dumps(thing)))


def _validated(schemas: Path, text: str) -> dict[str, Any]:
    answer = subprocess.run(
        [
            *(tool("kubeconform"), "-strict", "-summary", "-verbose", "-output", "json"),
            *("-kubernetes-version", KUBERNETES_VERSION),
            *("-schema-location", f"{schemas}/{LOCATION}"),
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.stdout, answer.stderr
    return json.loads(answer.stdout)


def _refused(verdicts: dict[str, Any]) -> list[str]:
    return [
        f"{found['kind']} {found['name']}: {found['msg']}"
        for found in verdicts["resources"]
        if found["status"] != "statusValid"
    ]
