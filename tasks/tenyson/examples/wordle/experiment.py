"""The Wordle experiment in plain Python: SFT, RL from its adapter, and an evaluation of each stage.

`experiment.yaml` is the same chain as TenysonJobs. Run it with

    python -m tenyson.examples.wordle.experiment --output DIR

It ends in DIR/final_report.md, and in DIR/report.md, which tells the rest. With a cloud manager,
pass its `run` in place of `Job.run`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tenyson.contract import File
from tenyson.errors import TenysonError
from tenyson.examples.wordle.report import build_report
from tenyson.examples.wordle.wordle_task import WordleTask
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.job import Job
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob

__all__ = ["build_report", "main", "run_experiment"]

DATABASE = "telemetry.db"
QUICK: Mapping[str, Mapping[str, Any]] = {
    "sft": {"training": {"max_steps": 10}},
    "rl": {"training": {"max_steps": 5}},
    "eval": {"task": {"eval_rows": 64}},
}
"""Changes that show the chain in seconds; its numbers then mean nothing."""


def run_experiment(
    output: str | Path,
    *,
    seed: int = 0,
    quick: bool = False,
    run: Callable[[Job], JobResult] = Job.run,
) -> Path:
    """Runs the chain and writes the report; returns the report's path.

    Args:
        output: Folder for the jobs' output, the telemetry and the report. Run again with the same
            settings, training goes on from its last checkpoint.
        seed: Of data, training and sampling in SFT and RL. The tiny base model has its own.
        quick: Few steps and prompts, to see that everything works.
        run: Carries out a job; `AWSManager(…).run` does so in the cloud.

    Raises:
        TenysonError: A job did not succeed.
    """
    output = Path(output).resolve()
    task = WordleTask()
    results: dict[str, JobResult] = {}

    def finish(kind: type[Job], name: str, adapter: str | None = None) -> JobResult:
        config = _config(kind, output, seed=seed, quick=quick, adapter=adapter)
        results[name] = run(kind(config, task, run_id=name, output_dir=output / name))
        return results[name]

    finish(EvalJob, "wordle-base-eval")
    sft = finish(SFTJob, "wordle-sft")
    finish(EvalJob, "wordle-sft-eval", adapter=_adapter_of(sft))
    rl = finish(RLJob, "wordle-rl", adapter=_adapter_of(sft))
    finish(EvalJob, "wordle-eval", adapter=_adapter_of(rl))
    command, url = _command(output, seed, quick), _database(output)
    has_rows = (output / DATABASE).is_file()  # a cloud's jobs write to another one
    return build_report(results, output, command=command, db_url=url if has_rows else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tenyson.examples.wordle.experiment",
        description="SFT, RL and evaluations of the Wordle task, ending in final_report.md.",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for everything made")
    parser.add_argument("--seed", type=int, default=0, help="of SFT and RL (default 0)")
    parser.add_argument("--quick", action="store_true", help="few steps; the numbers mean nothing")
    given = parser.parse_args(arguments)
    try:
        report = run_experiment(given.output, seed=given.seed, quick=given.quick)
    except TenysonError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(f"{report}\n")
    return 0


def _config(
    kind: type[Job], output: Path, *, seed: int, quick: bool, adapter: str | None
) -> dict[str, Any]:
    """The configuration in configs/ with this experiment's seed, adapter and database."""
    name = kind.job_type.value
    text = files(__package__).joinpath(f"configs/{name}_config.yaml").read_text("utf-8")
    config: dict[str, Any] = yaml.safe_load(text)
    changes: list[Mapping[str, Mapping[str, Any]]] = [
        {"training": {"seed": seed}},
        {"telemetry": {"db_url": _database(output)}},
        QUICK[name] if quick else {},
        {"adapter": {"path": adapter}} if adapter else {},
    ]
    for change in changes:
        for section, values in change.items():
            config[section] = {**config.get(section, {}), **values}
    return config


def _database(output: Path) -> str:
    return f"sqlite:///{output / DATABASE}"


def _adapter_of(result: JobResult) -> str:
    return f"{result.output_uri or result.local_output_dir}/{File.FINAL_CHECKPOINT}"


def _command(output: Path, seed: int, quick: bool) -> str:
    flags = f"--seed {seed}{' --quick' if quick else ''}"
    return f"python -m tenyson.examples.wordle.experiment --output {output.name} {flags}"


if __name__ == "__main__":
    sys.exit(main())
