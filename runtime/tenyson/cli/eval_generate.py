"""`tenyson eval generate`: an Eval job of a file of prompts, and its answers as a file."""

import argparse
import json
import os
import sys
from typing import Any

from tenyson import runner
from tenyson.contract import Env, ExitCode, File, JobType
from tenyson.evaluation.evalset_task import SPEC
from tenyson.files import write_atomically
from tenyson.jobs.evaluating.generation import Generation, plan_generation, publish

CONFIG_FILE = "eval_config.json"
UNSET = (
    *(Env.RUN_ID, Env.ATTEMPT, Env.OUTPUT_DIR, Env.OUTPUT_URI, Env.HUB_REPO),
    *(Env.ADAPTER_PATH, Env.ADAPTER_SHA256),
)
"""What belongs to another run."""
_SETTINGS = (
    *("seed", "max_new_tokens", "temperature", "num_samples", "max_prompts", "batch_size"),
    "engine",
)


def carry_out(options: argparse.Namespace) -> int:
    """Runs the job and writes the file; returns the runner's exit code."""
    given = {name: getattr(options, name) for name in _SETTINGS}
    plan = plan_generation(
        options.model,
        options.eval_set,
        options.output,
        base_model=options.base_model,
        scorers=options.scorer or (["task"] if options.task_module else ["exact"]),
        task_module=options.task_module,
        chat=options.chat,
        evaluation={name: value for name, value in given.items() if value is not None},
        folder=options.folder,
        overwrite=options.overwrite,
    )
    code = _run(plan, options.set)
    if code == ExitCode.DONE:
        publish(plan)
        _tell(plan)
    return code


def _run(plan: Generation, overrides: list[str]) -> int:
    config = plan.folder / CONFIG_FILE
    write_atomically(config, json.dumps(plan.config, indent=2) + "\n")
    for name in UNSET:
        os.environ.pop(name, None)
    return runner.main(
        [
            *("--job-type", JobType.EVAL.value, "--config", str(config)),
            *("--task-module", SPEC, "--run-id", plan.run_id),
            *("--output-dir", str(plan.folder)),
            *(argument for override in overrides for argument in ("--set", override)),
        ]
    )


def _tell(plan: Generation) -> None:
    result: dict[str, Any] = json.loads((plan.folder / File.JOB_RESULT).read_text("utf-8"))
    for name, value in result["metrics"].items():
        low, high = result["metrics_ci"].get(name, (None, None))
        interval = "" if low is None else f" (95 % interval {low:.4g} to {high:.4g})"
        sys.stdout.write(f"{name} {value:.4g}{interval}\n")
    for warning in result["warnings"]:
        sys.stdout.write(f"Note: {warning}\n")
    sys.stdout.write(f"{plan.output}\n")
