"""What the dashboards are written as: metrics that exist, files of the chart, panels that fit."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hack.dashboards.__main__ import DASHBOARDS, FOLDER, main, written
from hack.dashboards.fleet import FLEET
from hack.dashboards.model import COLUMNS, PromQl
from hack.dashboards.run import RUN


def promql() -> list[str]:
    queries = [q for d in (FLEET, RUN) for panel in d.panels() for q in panel.queries]
    return [query.expression for query in queries if isinstance(query, PromQl)]


def test_every_promql_names_metrics_that_the_controller_exposes() -> None:
    """By a regular expression, without a parser of PromQL: names and labels, not the functions."""
    exposed = _exposed()
    assert len(promql()) > 15
    for expression in promql():
        names = set(re.findall(r"\btenyson_\w+", expression))
        assert names, expression
        assert names <= set(exposed), expression
        labels = {label for name in names for label in exposed[name]} | {"le"}
        used = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            used += [label.strip() for label in group.split(",")]
        assert set(used) <= labels, expression


def test_every_phase_that_is_asked_for_is_one_of_the_controllers() -> None:
    from tenyson.controller import phase, snapshot

    sources = "".join(Path(str(m.__file__)).read_text() for m in (phase, snapshot))
    asked = [
        word
        for expression in promql()
        for words in re.findall(r'phase=~?"([^"]+)"', expression)
        for word in words.split("|")
    ]
    assert asked
    assert [word for word in asked if f'"{word}"' not in sources] == []


def test_what_every_replica_counts_is_asked_of_the_leader_alone() -> None:
    """A standby has the same jobs in its memory: a plain sum would show each of them twice."""
    counted = [e for e in promql() if re.search(r"\btenyson_(jobs|gpus)\b", e)]
    assert len(counted) >= 6
    for expression in counted:
        assert "* on (instance) group_left () tenyson_leader" in expression


def _exposed() -> dict[str, tuple[str, ...]]:
    """Names of time series as Prometheus stores them, with their labels."""
    from tenyson.controller.cache import Cache
    from tenyson.controller.health import Health
    from tenyson.controller.metrics import REGISTRY
    from tenyson.controller.queue import WorkQueue
    from tenyson.controller.snapshot import Snapshot

    queue = WorkQueue(clock=lambda: 0.0)
    snapshot = Snapshot(queue, Health(queue), Cache(lambda key, urgent: None), {})
    series: dict[str, tuple[str, ...]] = {}
    # Labels of a metric without samples are nowhere public.
    for metric in REGISTRY._collector_to_names:
        for family in metric.collect():
            labels = tuple(getattr(metric, "_labelnames", ()))
            ends = {
                "counter": ["_total"],
                "histogram": ["_bucket", "_sum", "_count"],
                "info": ["_info"],
            }
            for end in ends.get(family.type, [""]):
                series[family.name + end] = labels
    for family in snapshot.collect():
        series[family.name] = tuple(getattr(family, "_labelnames", ()))
    return series


def test_the_files_of_the_chart_are_what_the_description_gives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 0
    monkeypatch.setattr("hack.dashboards.__main__.FOLDER", tmp_path)
    assert main(["--check"]) == 1
    assert "make dashboards" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_panel_lies_on_another_and_every_id_is_unique(name: str) -> None:
    panels = json.loads(written()[name])["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)


def test_a_panel_of_the_fleet_leads_to_the_run_that_was_clicked() -> None:
    links = re.findall(r"/d/[^\"]+", (FOLDER / "fleet.json").read_text())
    assert set(links) == {f"/d/{RUN.uid}?var-run_id=${{__value.raw}}"}
    assert "run_id" in {variable["name"] for variable in RUN.variables}


def test_two_queries_of_a_panel_have_two_letters() -> None:
    panel = next(panel for panel in FLEET.panels() if panel.title == "Queue")
    only = replace(FLEET, sections=(replace(FLEET.sections[0], panels=(panel,)),))
    assert [t["refId"] for t in only.json()["panels"][1]["targets"]] == ["A", "B", "C"]
