"""The alerts as the chart gives them to Prometheus."""

import re
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, objects

pytestmark = pytest.mark.chart
METRIC = re.compile(r"\btenyson_[a-z_]+")
OWN = '{namespace="tenyson-system", pod=~"tenyson-controller-.+"'


def rules() -> list[dict[str, Any]]:
    (rule,) = (found for found in objects("everything") if found["kind"] == "PrometheusRule")
    found: list[dict[str, Any]] = rule["spec"]["groups"][0]["rules"]
    return found


def test_every_metric_in_an_alert_is_this_releases_own() -> None:
    for rule in rules():
        metrics = list(METRIC.finditer(rule["expr"]))
        assert metrics, rule["alert"]
        for metric in metrics:
            assert rule["expr"][metric.end() :].startswith(OWN), rule["expr"]


def test_nothing_else_in_an_alert_changes() -> None:
    written = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))
    for rule, plain in zip(rules(), written, strict=True):
        bare = rule["expr"].replace(f"{OWN}, ", "{").replace(f"{OWN}}}", "")
        assert {**rule, "expr": bare} == {**plain, "labels": {"severity": "page"}}
