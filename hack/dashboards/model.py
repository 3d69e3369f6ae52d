"""What a dashboard consists of, and the JSON that Grafana 11 and 12 read.

Only what we use of Grafana's classic dashboard model. Panels flow from left to right and wrap; a
section begins a new row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 39
"""Of Grafana 11.0; later ones bring it up to theirs when they load it."""
COLUMNS = 24
"""Width of the grid."""
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "${postgres}"}
PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
_LABELS = {
    "grafana-postgresql-datasource": ("postgres", "Telemetry database"),
    "prometheus": ("prometheus", "Prometheus"),
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Sql:
    """A query of the telemetry database."""

    text: str
    needs: tuple[str, ...]
    """Columns without which the panel shows nothing."""
    format: str = "table"
    """`table`, or `time_series`, which wants a column `time` in ascending order."""

    def target(self, letter: str) -> Json:
        """Returns it as a panel's target."""
        return {
            "refId": letter,
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.text.strip(),
        }


@dataclass(frozen=True)
class PromQl:
    """A query of Prometheus."""

    expression: str
    legend: str = "__auto"
    instant: bool = False

    def target(self, letter: str) -> Json:
        """Returns it as a panel's target."""
        return {
            "refId": letter,
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": self.expression,
            "legendFormat": self.legend,
            "instant": self.instant,
            "range": not self.instant,
        }


Query = Sql | PromQl


@dataclass(frozen=True)
class Panel:
    """A panel; `panels.py` has a function for each kind of it."""

    title: str
    kind: str
    queries: tuple[Query, ...]
    description: str
    width: int = 8
    height: int = 8
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    """Of every field: unit, limits, how it is drawn."""
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    interval: str | None = None
    """Shortest step between two points."""


@dataclass(frozen=True)
class Section:
    """Panels under a title."""

    title: str
    panels: tuple[Panel, ...]
    is_collapsed: bool = False


@dataclass(frozen=True)
class Dashboard:
    """A dashboard."""

    uid: str
    title: str
    description: str
    variables: tuple[Json, ...]
    sections: tuple[Section, ...]
    time: tuple[str, str] = ("now-24h", "now")
    refresh: str = "1m"
    hides_time: bool = False
    """Whether it shows all there is, whatever the time."""

    def panels(self) -> Iterator[Panel]:
        """Yields every panel."""
        for section in self.sections:
            yield from section.panels

    def json(self) -> Json:
        """Returns it as Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["tenyson"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": True,
            "graphTooltip": 1,
            "refresh": self.refresh,
            "time": {"from": self.time[0], "to": self.time[1]},
            "timepicker": {"hidden": self.hides_time},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [_link_to_the_others()],
            "templating": {"list": [*self._data_sources(), *self.variables]},
            "panels": _placed(self.sections),
        }

    def _data_sources(self) -> Iterator[Json]:
        """Yields a variable for each kind of data source that is asked."""
        queries = [query for panel in self.panels() for query in panel.queries]
        for source, kind in ((POSTGRES, Sql), (PROMETHEUS, PromQl)):
            if any(isinstance(query, kind) for query in queries):
                name, label = _LABELS[source["type"]]
                yield {
                    "type": "datasource",
                    "name": name,
                    "label": label,
                    "query": source["type"],
                    "refresh": 1,
                    "hide": 0,
                }


def _placed(sections: Sequence[Section]) -> list[Json]:
    """The sections and their panels, each with its place and its number."""
    placed: list[Json] = []
    y = 0
    for section in sections:
        row = {
            "id": len(placed) + 1,
            "type": "row",
            "title": section.title,
            "collapsed": section.is_collapsed,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        panels, bottom = _flowed(section.panels, y + 1, len(placed) + 2)
        # Grafana keeps the panels of a closed row within it.
        placed += [row | {"panels": panels}] if section.is_collapsed else [row, *panels]
        y = y + 1 if section.is_collapsed else bottom
    return _numbered(placed)


def _flowed(panels: Sequence[Panel], y: int, number: int) -> tuple[list[Json], int]:
    """The panels from left to right; where one does not fit, a new line begins."""
    placed: list[Json] = []
    x = height = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, height = 0, y + height, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append(_panel(panel, number + len(placed), place))
        x, height = x + panel.width, max(height, panel.height)
    return placed, y + height


def _numbered(placed: list[Json]) -> list[Json]:
    """The same with ids that are unique over rows and what is within them."""
    numbers = iter(range(1, 1000))
    for panel in placed:
        panel["id"] = next(numbers)
        for inner in panel.get("panels", ()):
            inner["id"] = next(numbers)
    return placed


def _panel(panel: Panel, number: int, place: Json) -> Json:
    targets = [q.target(chr(ord("A") + i)) for i, q in enumerate(panel.queries)]
    described: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": targets[0]["datasource"],
        "targets": targets,
        "fieldConfig": {"defaults": panel.defaults, "overrides": list(panel.overrides)},
        "options": panel.options,
        "transformations": list(panel.transformations),
    }
    return described | ({"interval": panel.interval} if panel.interval else {})


def _link_to_the_others() -> Json:
    return {
        "type": "dashboards",
        "title": "Tenyson",
        "tags": ["tenyson"],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
