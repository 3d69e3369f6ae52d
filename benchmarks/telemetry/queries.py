"""How long the queries of reports, of `tenyson runs` and of the dashboards take.

Commands are run as people run them, and every statement they send is timed; panels are sent as
Grafana sends them. The server is started anew before, so that its own cache is empty at first.
"""

import contextlib
import io
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hack.dashboards.grafana import Value, sent

REPEATS = 3


@dataclass(frozen=True)
class Timed:
    """One query of a command or a panel."""

    source: str
    """The command, or the dashboard."""
    name: str
    """The panel, or the statement's number and tables."""
    first_ms: float
    """With the server's cache empty of it, or filled by what ran before."""
    median_ms: float
    """Of the next ones."""
    rows: int
    sql: str


def panels(
    url: str, file: Path, variables: Mapping[str, Value], days: int, of: str = ""
) -> list[Timed]:
    """Returns the times of every SQL panel and variable of a dashboard.

    Args:
        url: Of the database.
        file: The dashboard's JSON.
        variables: What is chosen in it.
        days: Length of the dashboard's time, up to now.
        of: What is looked at, for its name.
    """
    import psycopg

    end = datetime.now(UTC)
    timed = []
    with psycopg.connect(url, autocommit=True) as connection:
        for name, raw in sql_of(json.loads(file.read_text(encoding="utf-8"))):
            sql = sent(raw, variables, end - timedelta(days=days), end, f"{max(1, days // 4)}h")

            def ask(sql: str = sql) -> int:
                return len(connection.execute(sql.encode()).fetchall())

            timed.append(_timed(f"dashboard {file.stem}{of}", name, sql, ask))
    return timed


def sql_of(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the title and the SQL of each panel and variable that asks the database."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]
    for panel in dashboard["panels"]:
        for inner in (panel, *panel.get("panels", ())):
            for target in inner.get("targets", ()):
                if "rawSql" in target:
                    yield inner["title"], target["rawSql"]


def command(name: str, call: Callable[[], int]) -> list[Timed]:
    """Returns the times of every statement that a command sends.

    Args:
        name: How the command is shown.
        call: Runs it; returns its exit code.

    Raises:
        RuntimeError: It failed.
    """
    rounds = [_statements_of(name, call) for _ in range(1 + REPEATS)]
    return [
        Timed(
            name,
            _named(n + 1, first[-1]),
            first[0],
            statistics.median(t for t, *_ in later),
            *first[1:],
        )
        for n, (first, *later) in enumerate(zip(*rounds, strict=True))
    ]


def _named(number: int, sql: str) -> str:
    """A statement's number, and the first table it reads."""
    table = re.search(r"FROM\s+(\w+)", sql)
    return f"statement {number}" + (f", {table[1]}" if table else "")


def _timed(source: str, name: str, sql: str, ask: Callable[[], int]) -> Timed:
    times, rows = [], 0
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        rows = ask()
        times.append(1e3 * (time.perf_counter() - began))
    return Timed(source, name, times[0], statistics.median(times[1:]), rows, sql)


def _statements_of(name: str, call: Callable[[], int]) -> list[tuple[float, int, str]]:
    """Milliseconds, rows and text of each statement, fetching and reading included."""
    from sqlalchemy import Engine, event

    sent_ones: list[tuple[float, int, str]] = []
    begun: list[float] = []

    def before(*_: Any) -> None:
        begun.append(time.perf_counter())

    def after(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        milliseconds = 1e3 * (time.perf_counter() - begun.pop())
        sent_ones.append((milliseconds, cursor.rowcount, statement))

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = call()
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)
    if code != 0:
        raise RuntimeError(f"{name} ended with {code}:\n{err.getvalue()[-2000:]}")
    return sent_ones


def commands(url: str, large: str, usual: str) -> Mapping[str, Callable[[], int]]:
    """Returns the commands that are measured, by how they are shown.

    Args:
        url: Of the database.
        large: The largest RL run.
        usual: An RL run of the usual size.
    """
    from tenyson.cli.main import COMMANDS, main

    asked = (
        ("runs", "list"),
        ("runs", "list", "--status", "failed", "--job-type", "rl"),
        ("runs", "show", large),
        ("runs", "compare", large, usual),
        ("report", large),
        ("report", usual),
    )
    return {
        f"tenyson {' '.join(words)}": lambda words=words: _call(main, url, words)  # type: ignore[misc]
        for words in asked
        if words[0] in COMMANDS
    }


def _call(main: Callable[[Sequence[str]], int], url: str, words: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        output = ["--output", f"{folder}/report.md"] if words[0] == "report" else []
        return main([*words, "--db-url", url, *output])
