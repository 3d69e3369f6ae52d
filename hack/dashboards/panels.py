"""The kinds of panels that the dashboards have."""

from collections.abc import Mapping, Sequence

from hack.dashboards.model import POSTGRES, Json, Panel, PromQl, Query, Sql

_LEGEND: Json = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_LINES: Json = {"drawStyle": "line", "lineWidth": 1, "showPoints": "auto", "spanNulls": True}
_BARS: Json = {
    "drawStyle": "bars",
    "fillOpacity": 80,
    "lineWidth": 0,
    "stacking": {"mode": "normal", "group": "A"},
}
_AREAS: Json = _LINES | {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
STATUS_COLOURS = {
    "success": "green",
    "budget": "purple",
    "stopped": "yellow",
    "preempted": "orange",
    "diverged": "dark-red",
    "failed": "red",
}


def stat(
    title: str,
    query: Query,
    description: str,
    *,
    unit: str = "short",
    width: int = 4,
    text: str = "value",
) -> Panel:
    """Returns a panel with one value, which may be a text; or with the `name` of each series."""
    return Panel(
        title, "stat", (query,), description, width=width, height=4,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False},
            "colorMode": "none", "graphMode": "none", "textMode": text, "justifyMode": "auto",
        },
        defaults={"unit": unit},
    )  # fmt: skip


def over_time(
    title: str,
    queries: Query | Sequence[Query],
    description: str,
    *,
    unit: str = "short",
    width: int = 8,
    bars: bool = False,
    interval: str | None = None,
    colours: Mapping[str, str] | None = None,
) -> Panel:
    """Returns curves, or stacked bars, over the time."""
    return Panel(
        title, "timeseries", _tuple(queries), description, width=width,
        options={"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
        defaults={"unit": unit, "min": 0, "custom": _BARS if bars else _LINES},
        overrides=tuple(_coloured(name, colour) for name, colour in (colours or {}).items()),
        interval=interval,
    )  # fmt: skip


def over_steps(
    title: str,
    query: Sql,
    description: str,
    *,
    unit: str = "short",
    width: int = 8,
    overrides: Sequence[Json] = (),
) -> Panel:
    """Returns curves over the optimiser's steps: each column of the query but `step` is one."""
    return Panel(
        title, "trend", (query,), description, width=width,
        options={"xField": "step", "legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
        defaults={"unit": unit, "custom": _LINES},
        overrides=(_STEP_IS_A_COUNT, *overrides),
    )  # fmt: skip


def over_steps_by_name(
    title: str,
    query: Sql,
    description: str,
    *,
    unit: str = "short",
    width: int = 8,
    stacked: bool = False,
) -> Panel:
    """Returns one curve over the steps for each `name` of a query of `step`, `name`, `value`.

    A trend panel takes one frame: the rows are parted by name, and the parts joined by step.
    """
    named = {
        "matcher": {"id": "byRegexp", "options": "/^value/"},
        "properties": [{"id": "displayName", "value": "${__field.labels.name}"}],
    }
    return Panel(
        title, "trend", (query,), description, width=width,
        options={"xField": "step", "legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
        defaults={"unit": unit, "custom": _AREAS if stacked else _LINES},
        overrides=(_STEP_IS_A_COUNT, named),
        transformations=(
            {"id": "partitionByValues", "options": {"fields": ["name"], "keepFields": False}},
            {"id": "joinByField", "options": {"byField": "step", "mode": "outer"}},
        ),
    )  # fmt: skip


def table(
    title: str,
    query: Sql,
    description: str,
    *,
    width: int = 24,
    height: int = 9,
    units: Mapping[str, str] | None = None,
    widths: Mapping[str, int] | None = None,
    links: Mapping[str, str] | None = None,
    wrapped: Sequence[str] = (),
) -> Panel:
    """Returns a table.

    Args:
        title: Its title.
        query: Its columns and rows.
        description: What it shows.
        width: Of the grid's 24 columns.
        height: In rows of the grid.
        units: Column to Grafana's unit.
        widths: Column to its width in pixels; the others share the rest.
        links: Column to where a click on it leads.
        wrapped: Columns of long text.
    """
    overrides = [_property(name, "unit", unit) for name, unit in (units or {}).items()]
    overrides += [_property(name, "custom.width", w) for name, w in (widths or {}).items()]
    overrides += [
        _property(name, "links", [{"title": "Open", "url": url}])
        for name, url in (links or {}).items()
    ]
    overrides += [
        _property(name, "custom.cellOptions", {"type": "auto", "wrapText": True})
        for name in wrapped
    ]
    return Panel(
        title, "table", (query,), description, width=width, height=height,
        options={"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
        defaults={"custom": {"align": "auto", "filterable": True, "inspect": True}},
        overrides=tuple(overrides),
    )  # fmt: skip


def histogram(title: str, query: Sql, description: str, *, width: int = 8) -> Panel:
    """Returns how often each range of a value occurs."""
    return Panel(
        title, "histogram", (query,), description, width=width,
        options={"legend": _LEGEND | {"showLegend": False}, "tooltip": {"mode": "single"}},
        defaults={"custom": {"fillOpacity": 80, "lineWidth": 1}},
    )  # fmt: skip


def band(low: str, high: str) -> tuple[Json, ...]:
    """Returns overrides that fill the space between two columns."""
    edge = [("custom.lineWidth", 0), ("custom.showPoints", "never")]
    edges = [(name, prop, value) for name in (low, high) for prop, value in edge]
    return (
        *(_property(name, prop, value) for name, prop, value in edges),
        _property(high, "custom.fillBelowTo", low),
        _property(high, "custom.fillOpacity", 20),
    )


def chosen(
    name: str,
    label: str,
    query: str,
    *,
    has_all: bool = False,
) -> Json:
    """Returns a variable that is chosen among what the database has."""
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "type": "query", "name": name, "label": label, "datasource": POSTGRES,
        "query": query, "definition": query, "refresh": 2, "sort": 0, "hide": 0,
        "multi": has_all, "includeAll": has_all, "current": everything if has_all else {},
        "options": [],
    }  # fmt: skip


def typed(name: str, label: str) -> Json:
    """Returns a variable that is typed in; empty at first."""
    empty = {"selected": False, "text": "", "value": ""}
    return {
        "type": "textbox", "name": name, "label": label, "query": "", "hide": 0,
        "current": empty, "options": [empty],
    }  # fmt: skip


def one_of(name: str, label: str, values: Sequence[str]) -> Json:
    """Returns a variable with fixed values, the first of them chosen."""
    options = [{"selected": i == 0, "text": v, "value": v} for i, v in enumerate(values)]
    return {
        "type": "custom", "name": name, "label": label, "query": ",".join(values), "hide": 0,
        "multi": False, "includeAll": False, "current": options[0], "options": options,
    }  # fmt: skip


def percentiles(metric: str, *quantiles: float) -> tuple[PromQl, ...]:
    """Returns the percentiles of a histogram of seconds."""
    rate = f"sum by (le) (rate({metric}_bucket[$__rate_interval]))"
    return tuple(PromQl(f"histogram_quantile({q}, {rate})", f"p{q * 100:g}") for q in quantiles)


_STEP_IS_A_COUNT: Json = {
    "matcher": {"id": "byName", "options": "step"},
    "properties": [{"id": "unit", "value": "none"}, {"id": "decimals", "value": 0}],
}


def _property(name: str, prop: str, value: object) -> Json:
    matcher = {"id": "byName", "options": name}
    return {"matcher": matcher, "properties": [{"id": prop, "value": value}]}


def _coloured(name: str, colour: str) -> Json:
    return _property(name, "color", {"mode": "fixed", "fixedColor": colour})


def _tuple(queries: Query | Sequence[Query]) -> tuple[Query, ...]:
    return (queries,) if isinstance(queries, Sql | PromQl) else tuple(queries)
