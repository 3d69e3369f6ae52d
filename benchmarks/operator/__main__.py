"""What the operator costs and how fast it is, on real control planes: `make bench-operator`.

    python -m benchmarks.operator [--quick] [--only burst,life] [--alone] [--json FILE]

etcd, the API server, Kubernetes' Job controller (50 requests a second while measuring), the load
and the operator share this machine, so a busy machine spoils the times; the counts it cannot.
Each scenario has a control plane of its own. Cheap scenarios are run three times: medians.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.operator import scenarios, table
from benchmarks.operator.contenders import NAIVE, TENYSON, Contender
from benchmarks.operator.scenarios import Figures

Run = Callable[[Contender, int], Awaitable[Figures]]


@dataclass(frozen=True)
class Scenario:
    """A part of the table, and how large it is."""

    name: str
    jobs: int
    quick_jobs: int
    run: Run
    runs: int = 3
    compared: bool = True
    """Whether the alternative is measured too."""


def _plan(idle_seconds: float) -> list[Scenario]:
    return [
        Scenario("rate", 300, 50, lambda who, n: scenarios.at_a_rate(who, n, 10)),
        Scenario(
            "burst", 1000, 200,
            lambda who, n: scenarios.burst(who, n, restarts=True, idle_seconds=idle_seconds),
        ),
        Scenario("long burst", 3000, 400, scenarios.burst, runs=1),
        Scenario("life", 20, 5, scenarios.life, runs=1, compared=False),
        Scenario("failover", 50, 5, scenarios.failover, compared=False),
        Scenario(
            "many", 10_000, 500,
            lambda who, n: scenarios.many(who, n, idle_seconds),
            runs=1, compared=False,
        ),
    ]  # fmt: skip


def main() -> int:
    options = _options()
    chosen = [s for s in _plan(10 if options.quick else 60) if s.name in options.only]
    print(f"load of this machine before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
    print(table.heading("" if options.alone else NAIVE.name))
    report: dict[str, object] = {"load_before": os.getloadavg(), "began": time.time()}
    missed: list[str] = []
    for scenario in chosen:
        jobs = scenario.quick_jobs if options.quick else scenario.jobs
        runs = 1 if options.quick else scenario.runs
        ours = _measured(scenario.run, TENYSON, jobs, runs)
        other: list[Figures] = []
        if scenario.compared and not options.alone:
            other = _measured(scenario.run, NAIVE, jobs, runs)
        shown = table.lines(scenario.name, jobs, _medians(ours), _medians(other))
        print("\n".join(shown), flush=True)
        missed += table.missed(scenario.name, _medians(ours))
        report[scenario.name] = {"jobs": jobs, "Tenyson": ours, NAIVE.name: other}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))
    print("\nmissed: " + ("; ".join(missed) or "nothing"))
    return int(bool(missed))


def _options() -> argparse.Namespace:
    names = [scenario.name for scenario in _plan(0)]
    parser = argparse.ArgumentParser(
        description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small, two minutes")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=names, help=f"some of {names}"
    )
    parser.add_argument("--alone", action="store_true", help="without the alternative")
    parser.add_argument("--json", type=Path, help="file for all figures of all runs")
    options = parser.parse_args()
    if unknown := set(options.only) - set(names):
        parser.error(f"--only {','.join(unknown)}: choose from {', '.join(names)}")
    return options


def _measured(run: Run, who: Contender, jobs: int, runs: int) -> list[Figures]:
    async def once() -> Figures:
        return await run(who, jobs)

    return [asyncio.run(once()) for _ in range(runs)]


def _medians(runs: list[Figures]) -> Figures:
    names = runs[0] if runs else {}
    return {name: statistics.median(run[name] for run in runs) for name in names}


if __name__ == "__main__":
    sys.exit(main())
