"""Helm and helm-unittest find nothing to say about the chart, and its schema refuses mistakes."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.charttools.tools import tool
from tests.chart.rendering import CHART, RELEASE, helm, presets

pytestmark = pytest.mark.chart
_HANDED_ON = {
    *("annotations", "labels", "commonLabels", "podAnnotations", "podLabels", "alertLabels"),
    *("resources", "podSecurityContext", "securityContext", "nodeSelector", "affinity", "global"),
    *("output", "checkpoint", "retry", "pod"),  # of TenysonRuntime: the API server knows them
}


@pytest.mark.parametrize("preset", presets())
def test_helm_lint_has_nothing_to_say(preset: str) -> None:
    values = presets()[preset]
    given = ["--values", values] if values else []
    answer = helm("lint", "--strict", CHART, *given, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "[WARNING]" not in answer.stdout


def test_every_suite_of_helm_unittest_passes() -> None:
    suites = [tool("helm-unittest"), "--strict", "--file", "tests/*_test.yaml", CHART]
    answer = subprocess.run(suites, capture_output=True, text=True, check=False, timeout=280)
    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr


def test_an_unknown_value_is_refused_at_every_depth() -> None:
    for path in _closed_objects(_schema(), ()):
        key = ".".join((*path, "noSuchKey"))
        answer = helm("template", RELEASE[0], CHART, "--set", f"{key}=1", check=False)
        assert answer.returncode != 0, f"{key} was taken"
        assert "noSuchKey" in answer.stderr, answer.stderr


def test_only_what_is_handed_on_as_it_is_takes_any_key() -> None:
    """A misspelt key in anything else is refused; a new name here is a decision."""
    open_objects = list(_open_objects(_schema(), ()))
    assert open_objects
    others = [".".join(path) for path in open_objects if not set(path) & _HANDED_ON]
    assert not others, f"{others} take any key: add an annotation, or the name to _HANDED_ON"


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("replicaCount=-1", "replicaCount"),
        ("replicaCount=two", "replicaCount"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("crds.keep=perhaps", "keep"),
        ("watchNamespaces=default", "watchNamespaces"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_name(setting: str, named: str) -> None:
    answer = helm("template", RELEASE[0], CHART, "--set", setting, check=False)
    assert answer.returncode != 0
    assert named in answer.stderr


def test_a_large_number_in_a_file_of_values_comes_out_as_one(tmp_path: Path) -> None:
    """Helm reads it as a float, whose own form `2e+06` no API server takes for an integer."""
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(_with_every_integer(_schema(), 2_000_000)), encoding="utf-8")
    everything = ("--values", CHART / "ci" / "everything-values.yaml", "--values", values)
    text = helm("template", RELEASE[0], CHART, *everything).stdout
    assert text.count("2000000") >= 8
    assert [line for line in text.splitlines() if "2e+06" in line] == []


def _with_every_integer(schema: dict[str, Any], number: int) -> dict[str, Any]:
    """Values that set each integer which has no upper bound to the number."""
    found: dict[str, Any] = {}
    for name, inner in schema.get("properties", {}).items():
        if inner.get("type") == "integer" and "maximum" not in inner:
            found[name] = number
        elif nested := _with_every_integer(inner, number):
            found[name] = nested
    return found


def _schema() -> dict[str, Any]:
    return json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def _closed_objects(schema: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if schema.get("additionalProperties") is False:
        yield path
    for name, inner in schema.get("properties", {}).items():
        if "object" in inner.get("type", ""):
            yield from _closed_objects(inner, (*path, name))


def _open_objects(schema: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, inner in schema.get("properties", {}).items():
        if "object" in inner.get("type", ""):
            if inner.get("additionalProperties") is not False:
                yield (*path, name)
            yield from _open_objects(inner, (*path, name))
