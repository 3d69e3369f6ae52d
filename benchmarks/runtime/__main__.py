"""What the runtime costs beside plain TRL, and how long its parts take: `make bench-runtime`.

    python -m benchmarks.runtime [--quick] [--only sft,rl,help,save,evaluation] [--json FILE]

What is compared trains in turns, a step each: what else the machine does disturbs both. Shown are
medians over the runs, and of the ratios where the middle half of the runs lies.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from benchmarks.rows import Figures, Row, Scenario, aligned, line
from benchmarks.runtime import evaluations, saves, starts, steps

RATIO = Row("overhead_percent", "time over plain TRL", "%", at_most=2)
THREAD_RATIO = Row("thread_overhead_percent", "processor time, training thread", "%")
BESIDE = Row("beside_ms", "processor time of other threads, counted above", "ms")


SCENARIOS = (
    Scenario(
        "sft", "A step of SFT, telemetry and metrics on every step", steps.sft,
        (Row("ms", "a step", "ms"), RATIO, THREAD_RATIO, BESIDE),
    ),
    Scenario(
        "rl", "A step of GRPO: 64 completions, telemetry of every one", steps.rl,
        (Row("ms", "a step", "ms"), RATIO, THREAD_RATIO, BESIDE),
    ),
    Scenario(
        "help", "--help, from the shell", starts.helps,
        (
            Row("runner_s", "python -m tenyson.runner --help", "s", at_most=0.3),
            Row("command_s", "tenyson --help", "s", at_most=0.3),
        ),
    ),
    Scenario(
        "save", "A LoRA checkpoint of a model of 85 million weights", saves.saves,
        (
            Row("save_s", "a save: written, synced, hashed", "s"),
            Row("share_percent", "of the wall time, every 180 s", "%", at_most=5),
        ),
    ),
    Scenario(
        "evaluation", "512 prompts, greedy and 4 samples, demo model", evaluations.evaluation,
        (
            Row("evaluate_s", "generated and scored", "s", at_most=5),
            Row("tokens_per_s", "tokens read and sampled", "/s"),
        ),
    ),
)  # fmt: skip


def main() -> int:
    options = _options()
    print(f"load of this machine before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
    print(aligned("", "reach", "Tenyson", "plain TRL", ""))
    report: dict[str, object] = {"load_before": os.getloadavg(), "began": time.time()}
    missed: list[str] = []
    for scenario in (s for s in SCENARIOS if s.name in options.only):
        runs = scenario.run(options.quick)
        report[scenario.name] = runs
        figures = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        print(scenario.title)
        for row in (row for row in scenario.rows if row.figure in figures):
            is_reached = row.is_reached_by(figures[row.figure])
            shown = line(row, figures[row.figure], figures.get(f"trl_{row.figure}"))
            print(shown + _spread(row, runs), flush=True)
            missed += [f"{scenario.name}: {row.label}"] if is_reached is False else []
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))
    print("\nmissed: " + ("; ".join(missed) or "nothing"))
    return int(bool(missed))


def _spread(row: Row, runs: list[Figures]) -> str:
    """Where the middle half of the runs lies, for a ratio; it says what the median is worth."""
    if not row.figure.endswith("overhead_percent") or len(runs) < 3:
        return ""
    low, _, high = statistics.quantiles([run[row.figure] for run in runs], n=4)
    return f"   {low:+.1f} to {high:+.1f}"


def _options() -> argparse.Namespace:
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=names, help=f"some of {names}"
    )
    parser.add_argument("--json", type=Path, help="file for all figures of all runs")
    options = parser.parse_args()
    if unknown := set(options.only) - set(names):
        parser.error(f"--only {','.join(unknown)}: choose from {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
