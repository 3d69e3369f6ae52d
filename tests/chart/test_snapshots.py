"""What each preset gives stands in the repository: a change of the chart shows what it changes.

`UPDATE_SNAPSHOTS=1 make test-chart` writes them anew; read the diff.
"""

import difflib
import os
from pathlib import Path

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
    """The objects, CRDs by name only, sorted as Helm sorts them; without the chart's version."""
    documents = []
    for thing in objects(preset):
        if thing["kind"] == "CustomResourceDefinition":
            thing = {key: thing[key] for key in ("apiVersion", "kind", "metadata")}
        documents.append(thing)
    text = yaml.safe_dump_all(documents, sort_keys=True, width=100)
    return text.replace(project_version(ROOT), "VERSION")
