"""What Grafana makes of a query before it sends it: variables, then macros.

Variables are put in as its PostgreSQL data source does: a quote within a value is doubled, the
quotes around it are the query's own; `${name:sqlstring}` brings its own quotes. Macros end at the
first closing parenthesis, so an argument cannot have one; a macro that is unknown is an error.

Source: https://github.com/grafana/grafana/blob/02ab314b81e2adc656bd7d08cc0533304a0037ff/pkg/tsdb/grafana-postgresql-datasource/macros.go
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

Value = str | Sequence[str]


class GrafanaError(ValueError):
    """Raised for a query that Grafana would refuse."""


def sent(
    sql: str,
    variables: Mapping[str, Value],
    begin: datetime,
    end: datetime,
    interval: str = "1h",
) -> str:
    """Returns the SQL that reaches the database.

    Args:
        sql: A panel's `rawSql`.
        variables: What is chosen: a value, or several for a variable that allows it.
        begin: Begin of the dashboard's time.
        end: End of the dashboard's time.
        interval: `$__interval`, such as `5m`.

    Raises:
        GrafanaError: A macro is unknown or has too few arguments, or a variable is not there.
    """
    known: dict[str, Value] = {
        "__interval": interval,
        "__interval_ms": str(1000 * _seconds(interval)),
    }
    known |= variables

    def put_in(match: re.Match[str]) -> str:
        name, form = match[1] or match[2], match[3]
        if name in known:
            return _formatted(name, known[name], form)
        if f"${name}(" in match.string[match.start() :][: len(name) + 2]:
            return match[0]  # a macro
        raise GrafanaError(f"${name} is no variable of the dashboard, and no macro")

    replaced = _VARIABLE.sub(put_in, sql)
    return _MACRO.sub(lambda match: _macro(match[1], match[2], begin, end), replaced)


def _formatted(name: str, value: Value, form: str | None) -> str:
    if form == "sqlstring":
        values = [value] if isinstance(value, str) else value
        return ",".join("'" + v.replace("'", "''").replace('"', '\\"') + "'" for v in values)
    if form is not None or not isinstance(value, str):
        raise GrafanaError(f"${{{name}}} has several values: write ${{{name}:sqlstring}}")
    return value.replace("'", "''")


def _macro(name: str, text: str, begin: datetime, end: datetime) -> str:
    arguments = [argument.strip(" ") for argument in text.split(",")]
    first, last = _quoted(begin), _quoted(end)
    match name, len(arguments):
        case "__timeFilter", 1:
            return f"{arguments[0]} BETWEEN {first} AND {last}"
        case "__timeFrom", _:
            return first
        case "__timeTo", _:
            return last
        case "__timeGroup", 2:
            return _grouped(*arguments)
        case "__timeGroupAlias", 2:
            return f'{_grouped(*arguments)} AS "time"'
    raise GrafanaError(f"${name}({text}) is no macro that these dashboards use")


def _grouped(column: str, interval: str) -> str:
    seconds = _seconds(interval.strip("'"))
    return f"floor(extract(epoch from {column})/{seconds})*{seconds}"


def _quoted(moment: datetime) -> str:
    return "'" + moment.astimezone(UTC).isoformat().replace("+00:00", "Z") + "'"


def _seconds(interval: str) -> int:
    if not (match := re.fullmatch(r"(\d+)([smhdw])", interval)):
        raise GrafanaError(f"{interval!r} is no interval such as 5m")
    return int(match[1]) * _UNITS[match[2]]
