"""What is generated in the chart, as far as it can be seen without Helm; and a release's parts."""

import json
import shutil
from pathlib import Path

import pytest

from hack.chart.__main__ import CHART, ROOT, found_problems
from hack.chart.copies import stale_crds, write_crds
from hack.chart.documented import undocumented_values
from hack.chart.schema import schema_text
from hack.chart.version import stale_versions, write_versions
from hack.release import check_tag, project_version, release_notes, stale_pages
from hack.release import main as release


def test_the_chart_is_of_this_version_with_these_crds_and_documents_every_value() -> None:
    assert not found_problems()


def test_another_version_is_seen_and_written(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    assert stale_versions(chart, "9.8.7") == [
        f"Chart.yaml has version {project_version(ROOT)}, pyproject.toml has 9.8.7",
        f"Chart.yaml has appVersion {project_version(ROOT)}, pyproject.toml has 9.8.7",
    ]
    write_versions(chart, "9.8.7")
    assert stale_versions(chart, "9.8.7") == []


def test_a_changed_a_missing_and_a_left_over_crd_are_seen_and_mended(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    first, second = sorted((chart / "files" / "crds").glob("*.yaml"))[:2]
    first.write_text("kind: Other\n", encoding="utf-8")
    second.rename(second.with_name("left-over.yaml"))
    seen = stale_crds(ROOT / "crds", chart)
    assert len(seen) == 3
    assert all(any(name in line for line in seen) for name in (first.name, "left-over.yaml"))
    write_crds(ROOT / "crds", chart)
    assert stale_crds(ROOT / "crds", chart) == []


def test_a_value_that_only_values_yaml_has_is_seen(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    with (chart / "values.yaml").open("a", encoding="utf-8") as file:
        file.write("\n# -- New.\nnewValue: 1\n")
    assert undocumented_values(chart) == [
        "values.schema.json is not what values.yaml gives",
        "README.md does not name the value newValue",
    ]


def test_a_schema_has_types_from_defaults_and_the_rest_from_notes() -> None:
    schema = json.loads(
        schema_text(
            """
# -- How many.
# Two is plenty.
count: 2 # @schema minimum:0; maximum:9
# -- Labels.
labels: {} # @schema additionalProperties:{type: string}
image:
  # -- When.
  pull: Always # @schema enum:[Always, Never]
# -- Names.
names: [] # @schema item:string; uniqueItems:true
# -- Perhaps.
user: null # @schema type:[integer, null]
"""
        )
    )
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "count": {
            **{"description": "How many. Two is plenty.", "type": "integer", "default": 2},
            **{"minimum": 0, "maximum": 9},
        },
        "labels": {
            **{"description": "Labels.", "type": "object", "properties": {}},
            "additionalProperties": {"type": "string"},
        },
        "image": {
            "type": "object",
            "properties": {
                "pull": {
                    **{"description": "When.", "type": "string", "default": "Always"},
                    "enum": ["Always", "Never"],
                }
            },
            "additionalProperties": False,
        },
        "names": {
            **{"description": "Names.", "type": "array", "items": {"type": "string"}},
            "uniqueItems": True,
        },
        "user": {"description": "Perhaps.", "type": ["integer", "null"]},
        "global": schema["properties"]["global"],
    }


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("# -- A.\na: null\n", "line 2: .*does not tell a type"),
        ("# -- A.\na: []\n", "line 2: an empty list"),
        ("# -- A.\na: 1 # @schema minimun:0\n", "line 2: minimun in a # @schema note"),
        ("# A.\na: 1\n", "line 2: a needs a comment"),
        ("- 1\n", "must be a mapping"),
    ],
)
def test_values_that_give_no_sound_schema_are_refused(values: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        schema_text(values)


CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-01-02

### Added
- New.

## [1.1.0]
- Old.

[1.2.0]: https://example.com
"""


def test_release_notes_are_what_the_changelog_says_of_the_version() -> None:
    assert release_notes(CHANGELOG, "1.2.0") == "### Added\n- New.\n"
    assert release_notes(CHANGELOG, "1.1.0") == "- Old.\n"


@pytest.mark.parametrize("version", ["1.3.0", "Unreleased", "1.2"])
def test_a_release_that_the_changelog_does_not_describe_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="Unreleased"):
        release_notes(CHANGELOG, version)


@pytest.mark.parametrize("tag", ["1.2.0", "v1.2", "v1.2.0-rc1", "v1.2.1"])
def test_a_tag_that_is_not_the_version_is_refused(tag: str) -> None:
    check_tag("v1.2.0", "1.2.0")
    with pytest.raises(ValueError, match="tag that commit"):
        check_tag(tag, "1.2.0")


def test_pages_and_examples_install_the_version_that_there_is() -> None:
    assert list(stale_pages(ROOT, project_version(ROOT))) == []
    stale = list(stale_pages(ROOT, "9.9.9"))
    assert len(stale) >= 5, "the expression finds them"
    assert "examples/gitops/flux/tenyson.yaml" in " ".join(stale)


def test_all_that_a_release_lacks_is_said_at_once_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert release(["check", "v9.9.9"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    for part in (
        f"the tag is v9.9.9, pyproject.toml has version {project_version(ROOT)}. Set the version",
        "CHANGELOG.md says nothing under `## [9.9.9]`",
        "run `make chart`",
        "docs/images.md:94 installs",
    ):
        assert part in told.err
    assert release(["check", "no-version"]) == 1
    assert "## [no-version]" not in capsys.readouterr().err
