"""Ten million completions in one database: is every question answered in under a second?"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.rows import Row, aligned, number
from benchmarks.telemetry.bulk import BulkRun, fill, fleet
from benchmarks.telemetry.queries import Timed, command, commands, panels
from benchmarks.telemetry.server import BULK, postgres
from hack.dashboards.__main__ import FOLDER

REACH_MS = 1000
_NAMES_SHOWN = 3
_FILLED = "filled.json"


def asked(rows: int, data: Path | None, report: dict[str, object]) -> list[str]:
    """Prints how long every query takes; returns those that took too long.

    Args:
        rows: Completions in all.
        data: Folder of a server that is kept, and used again where it is filled; None uses one
            that is removed.
        report: Takes the figures of every query.
    """
    with _folder(data) as folder:
        runs = fleet(rows)
        _fill_once(folder, runs)
        # Started anew: nothing of the tables is in the server's own memory.
        with postgres(folder) as server:
            upgraded(server.database_url)  # one that was kept may be of an older version
            print(f"    {_size(server.database_url)}")
            timed = _everything(server.database_url, runs)
    report["queries"] = [asdict(one) for one in timed]
    return list(_printed(timed))


def _everything(url: str, runs: Sequence[BulkRun]) -> list[Timed]:
    rl = [run for run in runs if run.job_type == "rl"]
    evaluations = [run for run in runs if run.job_type == "eval"]
    large, usual = rl[0].run_id, rl[-2].run_id
    timed: list[Timed] = []
    # Under the names of what is looked at: the largest run of each kind, and a usual one.
    for run_id in (large, usual, runs[0].run_id, evaluations[0].run_id):
        chosen = {"run_id": run_id, "step": "", "search": "guess", "groups": "best"}
        timed += panels(url, FOLDER / "run.json", chosen, days=30, of=f" of {run_id}")
    experiments = ["none", *(f"experiment-{n}" for n in range(10))]
    timed += panels(url, FOLDER / "fleet.json", {"experiment": experiments}, days=30)
    for name, call in commands(url, large, usual).items():
        timed += command(name, call)
    return timed


def _printed(timed: Sequence[Timed]) -> Iterator[str]:
    """Prints each source with its slowest queries; yields the sources that are too slow."""
    for source in dict.fromkeys(one.source for one in timed):
        of_source = sorted(
            (one for one in timed if one.source == source), key=lambda one: -one.first_ms
        )
        print(f"  {source}")
        slowest, all_ms = of_source[0].first_ms, sum(one.first_ms for one in of_source)
        again, all_again = (f(one.median_ms for one in of_source) for f in (max, sum))
        row = Row("first_ms", f"the slowest of {len(of_source)} queries", "ms", REACH_MS)
        verdict = "ok" if row.is_reached_by(slowest) else "MISSED"
        cells = (row.goal, number(slowest, "ms"), number(again, "ms"), verdict)
        print(aligned(f"    {row.label}", *cells))
        print(aligned("    all of them", "", number(all_ms, "ms"), number(all_again, "ms"), ""))
        for one in of_source[:_NAMES_SHOWN]:
            print(f"        {one.name}: {one.first_ms:.0f} ms, then {one.median_ms:.0f} ms")
        if verdict == "MISSED":
            yield f"queries: {source}"


def _fill_once(folder: Path, runs: Sequence[BulkRun]) -> None:
    shape = json.dumps([asdict(run) for run in runs])
    marker = folder / _FILLED
    if marker.is_file():
        if marker.read_text() != shape:
            raise SystemExit(f"{folder} was filled with other rows: remove it, or name another.")
        return
    with postgres(folder, **BULK, fsync="off", full_page_writes="off") as server:
        upgraded(server.database_url)
        fill(server.database_url, runs, tell=lambda text: print(f"    {text}", flush=True))
    marker.write_text(shape)


def upgraded(url: str) -> None:
    """Brings the database to the newest schema."""
    from sqlalchemy import create_engine

    from tenyson.telemetry.schema import migrate
    from tenyson.telemetry.urls import parse_url

    engine = create_engine(parse_url(url))
    try:
        migrate(engine)
    finally:
        engine.dispose()


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        yield Path(folder)


def _size(url: str) -> str:
    import psycopg

    with psycopg.connect(url) as connection:
        counts = connection.execute(
            "SELECT relname, reltuples::bigint FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace AND reltuples > 0 ORDER BY 2 DESC LIMIT 5"
        ).fetchall()
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    told = ", ".join(f"{count:,} {name}" for name, count in counts).replace(",", " ", 0)
    return f"{told}; {(size or (0,))[0] / 1e9:.1f} GB"
