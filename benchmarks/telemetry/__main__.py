"""What telemetry costs, and how fast it answers: `make bench-telemetry`.

    python -m benchmarks.telemetry [--quick] [--only steps,writers,queries] [--rows N]
                                   [--data DIR] [--json FILE]

Everything is measured on a real PostgreSQL of its own with the settings it ships with, fsync
included; what training waits for on SQLite, too. The server is removed in the end, but for --data.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from benchmarks.rows import Row, Scenario, aligned, line
from benchmarks.telemetry.asked import asked
from benchmarks.telemetry.steps import steps
from benchmarks.telemetry.writers import writers

ROWS, QUICK_ROWS = 10_000_000, 500_000


SCENARIOS = (
    Scenario(
        "steps", "A step with 512 completions of 4 KB, 3 rewards each (beside: ORM in the step)",
        steps,
        (
            Row("postgres_ms", "training waits, PostgreSQL", "ms", at_most=25),
            Row("sqlite_ms", "training waits, SQLite", "ms", at_most=25),
            Row("postgres_worst_ms", "  the longest wait, PostgreSQL", "ms"),
            Row("sqlite_worst_ms", "  the longest wait, SQLite", "ms"),
            Row("postgres_cpu_ms", "processor time of the writer, PostgreSQL", "ms"),
            Row("sqlite_cpu_ms", "processor time of the writer, SQLite", "ms"),
            Row("postgres_library_ms", "work in a library beside it is slower by", "ms"),
            Row("postgres_python_ms", "pure Python beside it is slower by", "ms"),
            Row("sqlite_library_ms", "  the same with SQLite, a library", "ms"),
            Row("sqlite_python_ms", "  the same with SQLite, pure Python", "ms"),
        ),
    ),
    Scenario(
        "writers", "100 runs that write at once: 10 processes with 10 runs each", writers,
        (
            Row("rows", "rows"),
            Row("missing", "rows missing in the end", at_most=0),
            Row("not_written", "rows left in a spool or lost", at_most=0),
            Row("rows_per_s", "rows a second, starts of processes included", "/s"),
        ),
    ),
)  # fmt: skip
_QUERIES = "queries"


def main() -> int:
    """Prints the table; 1 where something was missed."""
    options = _options()
    print(f"load of this machine before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
    print(aligned("", "reach", "Tenyson", "beside", ""))
    report: dict[str, object] = {"load_before": os.getloadavg(), "began": time.time()}
    missed: list[str] = []
    for scenario in (s for s in SCENARIOS if s.name in options.only):
        missed += _measured(scenario, options.quick, report)
    if _QUERIES in options.only:
        print(f"{options.rows:,} completions (beside: the slowest, asked again)")
        missed += asked(options.rows, options.data, report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))
    print("\nmissed: " + ("; ".join(missed) or "nothing"))
    return int(bool(missed))


def _measured(scenario: Scenario, is_quick: bool, report: dict[str, object]) -> list[str]:
    print(scenario.title, flush=True)
    rounds = scenario.run(is_quick)
    report[scenario.name] = rounds
    figures = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    missed = []
    for row in scenario.rows:
        value, other = figures[row.figure], figures.get(f"other_{row.figure}")
        is_reached = row.is_reached_by(value)
        print(line(row, value, other), flush=True)
        missed += [f"{scenario.name}: {row.label.strip()}"] if is_reached is False else []
    return missed


def _options() -> argparse.Namespace:
    names = [*(scenario.name for scenario in SCENARIOS), _QUERIES]
    parser = argparse.ArgumentParser(
        description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=names, help=f"some of {names}"
    )
    parser.add_argument(
        "--rows", type=int, help=f"completions to ask about; {ROWS:,} or, quick, {QUICK_ROWS:,}"
    )
    parser.add_argument("--data", type=Path, help="folder of a server to keep, and to use again")
    parser.add_argument("--json", type=Path, help="file for all figures of all rounds and queries")
    options = parser.parse_args()
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    if unknown := set(options.only) - set(names):
        parser.error(f"--only {','.join(unknown)}: choose from {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
