"""The chart says what the code and the documents say; quick, without Helm."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenyson.controller.settings import Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tenyson"
DECIDED_BY_THE_CHART = {
    "runner_image", "namespaces", "progress_cert_secret", "progress_cert_dir",
    "lease_namespace", "lease_name",
}  # fmt: skip
"""Settings that follow from other values."""


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return loaded


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def test_every_setting_of_the_controller_is_a_value_with_the_same_default() -> None:
    given = {snake_case(name): value for name, value in values()["settings"].items()}
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    known = {name: fields[name] for name in fields.keys() - DECIDED_BY_THE_CHART}
    assert given == known


def alerts_of_the_document() -> Any:
    text = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.S) if "PrometheusRule" in b)
    return yaml.safe_load(block)["spec"]["groups"][0]["rules"]


def test_the_alerts_are_those_of_the_document() -> None:
    text = (CHART / "files" / "alerts.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == alerts_of_the_document()


@pytest.mark.parametrize("preset", ["values-eks.yaml", "values-kind.yaml"])
def test_a_preset_only_sets_values_that_there_are(preset: str) -> None:
    given = yaml.safe_load((CHART / preset).read_text(encoding="utf-8"))
    assert list(unknown(given, values())) == []


def unknown(given: dict[str, Any], known: dict[str, Any], at: str = "") -> Any:
    """Yields the paths of keys that are not known; an empty map takes all."""
    for name, value in given.items():
        if name not in known:
            yield f"{at}{name}"
        elif isinstance(value, dict) and known[name]:
            yield from unknown(value, known[name], f"{at}{name}.")


def test_every_template_has_a_suite() -> None:
    suites = " ".join(p.read_text(encoding="utf-8") for p in (CHART / "tests").glob("*_test.yaml"))
    templates = [p for p in (CHART / "templates").rglob("*") if p.suffix in (".yaml", ".txt")]
    without = [p.name for p in templates if f"{p.relative_to(CHART)}" not in suites]
    assert templates
    assert without == []
