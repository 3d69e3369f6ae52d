"""Base → SFT → RL of the Wordle example for several seeds, through Tenyson's own jobs.

    python benchmarks/wordle_seeds.py --seeds 1 2 3

Prints accuracy on the 512 held-out prompts with 95 % Wilson intervals, the exact McNemar p of each
stage against the one before, and the seconds of each stage; exits 1 where a bound is missed. A seed
changes the base model, the SFT data and run and the RL data and run; words and held-out prompts are
always the same. Each seed's base is made anew, in a cache of its own, so its time counts. On a busy
machine compare the CPU seconds, and set OMP_NUM_THREADS=1: threads that wait for each other spin.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

STAGES = ("base", "sft", "rl")
LEAST_GAIN_POINTS = {"sft": 10.0, "rl": 8.0}
LARGEST_P = 0.001
TRAINING_LIMIT_SECONDS = 360.0


def main() -> int:
    """Runs the seeds that were asked for and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", type=Path, help="keep the runs here; else they are deleted")
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.output or Path(scratch)).resolve()
        outcomes = [run_seed(seed, folder / f"seed-{seed}") for seed in arguments.seeds]
    print_table(arguments.seeds, outcomes)
    return 1 if any(map(bounds_missed, outcomes)) else 0


def run_seed(seed: int, folder: Path) -> dict[str, Any]:
    """Returns each stage's row results and the seconds of each training."""
    from tenyson.examples.wordle.wordle_task import WordleTask
    from tenyson.jobs.rl import RLJob
    from tenyson.jobs.sft import SFTJob

    os.environ["TENYSON_CACHE_DIR"] = str(folder / "cache")
    task, seconds = WordleTask(), {}
    seconds["base"] = timed(lambda: task.get_base_model(config("sft", seed), "tiny"))
    correct = {"base": evaluate(task, seed, folder / "eval-base", None)}
    adapter: Path | None = None
    for stage, job in (("sft", SFTJob), ("rl", RLJob)):
        stage_config = config(stage, seed, adapter)
        output = folder / stage
        seconds[stage] = timed(lambda: job(stage_config, task, output_dir=output).run())  # noqa: B023
        adapter = output / "checkpoint-final"
        correct[stage] = evaluate(task, seed, folder / f"eval-{stage}", adapter)
    return {"correct": correct, "seconds": seconds}


def config(kind: str, seed: int, adapter: Path | None = None) -> dict[str, Any]:
    """Returns the example's own configuration with another seed, and an adapter to start from."""
    files = resources.files("tenyson.examples.wordle") / "configs"
    content = yaml.safe_load((files / f"{kind}_config.yaml").read_text(encoding="utf-8"))
    content.setdefault("training", {})["seed"] = seed
    content["task"]["base_seed"] = seed
    if adapter is not None:
        content.setdefault("adapter", {})["path"] = str(adapter)
    return dict(content)


def evaluate(task: Any, seed: int, output: Path, adapter: Path | None) -> dict[str, int]:
    """Returns 0 or 1 for each held-out prompt, by id."""
    from tenyson.jobs.eval import EvalJob

    EvalJob(config("eval", seed, adapter), task, output_dir=output).run()
    rows = json.loads((output / "results.json").read_text(encoding="utf-8"))["detailed_results"]
    return {row["id"]: int(row["correct"]) for row in rows}


def timed(function: Any) -> tuple[float, float]:
    """Returns the wall and the CPU seconds of a call."""
    started, started_cpu = time.monotonic(), time.process_time()
    function()
    return time.monotonic() - started, time.process_time() - started_cpu


def gain_points(outcome: dict[str, Any], stage: str) -> float:
    """Returns the gain over the stage before, in points of accuracy."""
    before, after = pair(outcome, stage)
    return 100 * (sum(after.values()) - sum(before.values())) / len(after)


def mcnemar_p(outcome: dict[str, Any], stage: str) -> float:
    """Returns the exact two-sided p of McNemar's test against the stage before."""
    from scipy.stats import binomtest

    before, after = pair(outcome, stage)
    won = sum(after[row] > before[row] for row in after)
    lost = sum(after[row] < before[row] for row in after)
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def pair(outcome: dict[str, Any], stage: str) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the rows of the stage before and of the stage."""
    before, after = outcome["correct"][STAGES[STAGES.index(stage) - 1]], outcome["correct"][stage]
    assert before.keys() == after.keys()
    return before, after


def bounds_missed(outcome: dict[str, Any]) -> list[str]:
    """Returns what falls short: a stage's gain, its significance, or the wall time."""
    missed = []
    for stage, least in LEAST_GAIN_POINTS.items():
        if gain_points(outcome, stage) < least:
            missed.append(f"{stage} gain")
        if mcnemar_p(outcome, stage) >= LARGEST_P:
            missed.append(f"{stage} p")
    if total_seconds(outcome)[0] >= TRAINING_LIMIT_SECONDS:
        missed.append("time")
    return missed


def total_seconds(outcome: dict[str, Any]) -> tuple[float, float]:
    """Returns the wall and the CPU seconds of all training."""
    walls, cpus = zip(*outcome["seconds"].values(), strict=True)
    return sum(walls), sum(cpus)


def print_table(seeds: list[int], outcomes: list[dict[str, Any]]) -> None:
    """Prints one line per stage and seed, in Markdown."""
    from scipy.stats import binomtest

    print("| seed | stage | accuracy | 95 % interval | gain | McNemar p | training | CPU |")
    print("|---|---|---|---|---|---|---|---|")
    for seed, outcome in zip(seeds, outcomes, strict=True):
        for stage in STAGES:
            rows = outcome["correct"][stage].values()
            interval = binomtest(sum(rows), len(rows)).proportion_ci(method="wilson")
            gain, p = "", ""
            if stage != "base":
                gain = f"{gain_points(outcome, stage):+.1f}"
                p = f"{mcnemar_p(outcome, stage):.0e}"
            print(
                f"| {seed} | {stage} | {100 * sum(rows) / len(rows):.1f} % "
                f"| {100 * interval.low:.1f}–{100 * interval.high:.1f} | {gain} | {p} "
                f"| {outcome['seconds'][stage][0]:.0f} s | {outcome['seconds'][stage][1]:.0f} s |"
            )
        wall, cpu = total_seconds(outcome)
        missed = bounds_missed(outcome)
        verdict = f"MISSED: {', '.join(missed)}" if missed else "holds"
        print(f"| {seed} | all | | | | {verdict} | {wall:.0f} s | {cpu:.0f} s |")


if __name__ == "__main__":
    sys.exit(main())
