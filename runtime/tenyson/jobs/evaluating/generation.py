"""Answers of one model to a file of prompts, as a file: an Eval job with an output of its own.

The job has a folder of its own beside the output; what it has generated there is not generated
again. `tenyson eval generate` and `generate_answers` carry out the same plan.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenyson.contract import RUNS_FOLDER, File
from tenyson.errors import ConfigError, Problem
from tenyson.evaluation.evalset_task import EvalSetTask, check_settings
from tenyson.files import sha256_of_file, write_atomically
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.evaluating.model_choice import choose_model

_COMPARED = ("model", "settings", "fingerprints", "seed")


@dataclass(frozen=True)
class Generation:
    """An Eval job, and where its answers go."""

    config: dict[str, Any]
    run_id: str
    folder: Path
    """The job's output folder."""
    output: Path
    overwrite: bool = False
    """Whether answers of something else may be replaced."""


def plan_generation(
    model: str,
    eval_set: str | Path,
    output: str | Path,
    *,
    base_model: str | None = None,
    scorers: Sequence[str] = ("exact",),
    task_module: str | None = None,
    chat: bool = False,
    evaluation: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
) -> Generation:
    """Returns what to run, with file, scorers and model looked at; nothing is loaded or written.

    Args:
        model: `base`, or a checkpoint's folder or URI.
        eval_set: JSON Lines of `id`, `prompt`, `expected_answer`; a path or URI.
        output: File that the answers are written to.
        base_model: Hub name or folder; None: as the run's manifest or the adapter says.
        scorers: What answers earn; see `tenyson.evaluation.scorers`.
        task_module: The task of the scorer `task`, `module:Class`.
        chat: Whether prompts are sent as a user's messages.
        evaluation: Fields of the configuration's section of that name: seed, max_new_tokens …
        folder: Of the job; None: beside the output's run, or below the runs' folder.
        overwrite: Whether an output of another model or other settings may be replaced.

    Raises:
        TenysonError: Something of it cannot be used; says what.
    """
    place = Path(output).expanduser()
    _refuse_other_files(place, eval_set)
    chosen = choose_model(model, base_model, place)
    _refuse_another_adapter(place, chosen.adapter.get("path"), overwrite)
    task = _task_settings(eval_set, scorers, task_module, chat)
    check_settings({**task, "eval_set": str(eval_set)})
    return Generation(
        config={
            "model": chosen.model,
            **({"adapter": chosen.adapter} if chosen.adapter else {}),
            "evaluation": dict(evaluation or {}),
            "task": task,
        },
        run_id=_run_id(place),
        folder=Path(folder) if folder else _job_folder(place),
        output=place,
        overwrite=overwrite,
    )


def _task_settings(
    eval_set: str | Path, scorers: Sequence[str], task_module: str | None, chat: bool
) -> dict[str, Any]:
    """Returns the section `task` of the job, which may run in another folder."""
    is_uri = "://" in str(eval_set)
    return {
        "eval_set": str(eval_set) if is_uri else str(Path(eval_set).expanduser().absolute()),
        "scorer": list(scorers),
        **({"chat": True} if chat else {}),
        **({"task_module": task_module} if task_module else {}),
    }


def generate_answers(model: str, eval_set: str | Path, output: str | Path, **settings: Any) -> Path:
    """Returns the file of a model's answers to a file of prompts, scored.

    A second call goes on where the first was stopped.

    Args:
        model: `base`, or a checkpoint's folder or URI.
        eval_set: JSON Lines of `id`, `prompt`, `expected_answer`.
        output: The file to write.
        settings: As `plan_generation` takes them.

    Raises:
        TenysonError: Something given cannot be used, or the job did not succeed.
    """
    plan = plan_generation(model, eval_set, output, **settings)
    EvalJob(plan.config, EvalSetTask(), run_id=plan.run_id, output_dir=plan.folder).run()
    return publish(plan)


def publish(plan: Generation) -> Path:
    """Writes the output of a job that succeeded, and returns its path.

    Raises:
        ConfigError: There is an output of something else, which stays.
    """
    made = plan.folder / File.EVAL_OUTPUTS
    if not plan.overwrite and plan.output.exists():
        old, new = _first_row(plan.output), _first_row(made)
        if differing := [name for name in _COMPARED if old.get(name) != new.get(name)]:
            problem = (
                f"{plan.output} holds answers that differ in {' and '.join(differing)}, and stays "
                "as it is"
            )
            raise ConfigError(
                [Problem("output", problem)],
                hint=f"The new ones are in {made}. Give another --output, or --overwrite.",
            )
    write_atomically(plan.output, made.read_bytes())
    return plan.output


def _run_folder(output: Path) -> Path | None:
    """Returns the folder of the run that the output is a part of; None where it is of none."""
    folder = output.absolute().parent
    return folder if (folder / File.MANIFEST).is_file() else None


def _run_id(output: Path) -> str:
    """Returns the job's name: the same for the same output, so that a second call goes on."""
    if (run := _run_folder(output)) is not None:
        return f"{run.name}-{output.stem}"
    # Of this machine, for runs of all machines may share a database.
    name = f"{uuid.getnode()}:{output.absolute()}"
    return f"{output.stem}-{uuid.uuid5(uuid.NAMESPACE_URL, name).hex[:12]}"


def _job_folder(output: Path) -> Path:
    """Returns the folder that the job gets where none is named."""
    run = _run_folder(output)
    return (run.parent if run else Path(RUNS_FOLDER)) / _run_id(output)


def _refuse_other_files(output: Path, eval_set: str | Path) -> None:
    if not output.exists():
        return
    if output.is_dir():
        raise ConfigError([Problem("output", f"{output} is a folder; expected a file")])
    is_there = "://" not in str(eval_set) and Path(eval_set).exists()
    if is_there and os.path.samefile(output, eval_set):
        raise ConfigError([Problem("output", f"{output} is the evaluation set itself")])
    if not _first_row(output):
        raise ConfigError(
            [Problem("output", f"{output} exists, and was not written by an evaluation")],
            hint="It is not replaced. Give another --output.",
        )


def _refuse_another_adapter(output: Path, adapter: str | None, overwrite: bool) -> None:
    """Refuses before anything is generated what `publish` would refuse after it."""
    if overwrite or not output.exists() or (adapter and "://" in adapter):
        return
    weights = Path(adapter, File.ADAPTER_WEIGHTS) if adapter else None
    new = sha256_of_file(weights) if weights and weights.is_file() else None
    old = _first_row(output)["model"].get("adapter_sha256")
    if old != new:
        problem = f"{output} holds answers of {_told(old)}, not of {_told(new)}"
        raise ConfigError(
            [Problem("output", problem)], hint="Give another --output, or --overwrite."
        )


def _told(adapter_sha256: str | None) -> str:
    return "a base model" if adapter_sha256 is None else f"the adapter {adapter_sha256[:12]}"


def _first_row(path: Path) -> dict[str, Any]:
    """Returns the first line of an output; nothing where it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            row = json.loads(file.readline())
    except (ValueError, OSError):
        return {}
    is_output = isinstance(row, dict) and isinstance(row.get("model"), dict) and "scores" in row
    return row if is_output else {}
