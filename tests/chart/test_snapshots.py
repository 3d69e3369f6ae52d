"""What each preset gives stands in the repository: a change of the chart shows what it changes.

`UPDATE_SNAPSHOTS=1 make test-chart` writes them anew; read the diff.
"""

import difflib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.release import project_version
from tests.chart.rendering import ROOT, objects, presets, rendered

pytestmark = pytest.mark.chart
SNAPSHOTS = Path(__file__).parent / "snapshots"
_UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))


@pytest.mark.parametrize("preset", presets())
def test_a_preset_renders_to_what_is_written(preset: str) -> None:
    path, text = SNAPSHOTS / f"{preset}.yaml", _normalised(preset)
    if _UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    diff = "\n".join(
        difflib.unified_diff(
            there.splitlines(), text.splitlines(), path.name, "rendered", lineterm=""
        )
    )
    assert not diff, f"{diff[:8000]}\nIf that is meant: UPDATE_SNAPSHOTS=1 make test-chart"


def test_every_snapshot_has_its_preset() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.yaml")} == set(presets())


def test_a_preset_renders_twice_to_the_same() -> None:
    """Nothing random: GitOps would never be in sync."""
    for preset in presets():
        again = rendered.__wrapped__(preset)
        assert again == rendered(preset), preset


def _normalised(preset: str) -> str:
    """The objects as Helm sorts them, without the version and what is generated elsewhere."""
    documents = [_without_copies(thing) for thing in objects(preset)]
    text = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=100)
    return text.replace(project_version(ROOT), "VERSION")


def _without_copies(thing: dict[str, Any]) -> dict[str, Any]:
    """CRDs and dashboards by their names only: they have files and tests of their own."""
    if thing["kind"] == "CustomResourceDefinition":
        return {key: thing[key] for key in ("apiVersion", "kind", "metadata")}
    if thing["kind"] == "ConfigMap":
        data = {name: "…" if name.endswith(".json") else it for name, it in thing["data"].items()}
        return {**thing, "data": data}
    return thing


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
