"""`tenyson replay`: runs again what a manifest describes.

What can be compared without loading anything is compared here and told first; data, tokenizer and
machine are compared by the run itself, before it trains (`jobs.replaying`).
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenyson import runner
from tenyson.contract import ExitCode, File
from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.files import write_atomically
from tenyson.manifest.differences import differences, refused
from tenyson.manifest.present import present_state
from tenyson.manifest.reading import read_manifest
from tenyson.manifest.repetition import Repetition, repetition_of
from tenyson.manifest.table import difference_lines

CONFIG_FILE = "replayed_config.json"


def main(arguments: Sequence[str]) -> int:
    """Repeats the run and returns the runner's exit code."""
    options = _options(arguments)
    manifest = read_manifest(options.manifest)
    folder = options.output or Path(f"replay-of-{manifest['run_id']}")
    repetition = repetition_of(manifest, folder, task_spec=options.task_module)
    _tell(manifest, repetition, folder)
    _compare(manifest, force=options.force)
    _refuse_another_runs_folder(folder, manifest)
    if options.dry_run:
        return int(ExitCode.DONE)
    write_atomically(folder / CONFIG_FILE, json.dumps(repetition.config, indent=2) + "\n")
    for name in repetition.unset:
        os.environ.pop(name, None)
    original = options.manifest.resolve()
    os.environ.update(repetition.environment(original, force=options.force))
    return runner.main(repetition.arguments(folder / CONFIG_FILE))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tenyson replay",
        description="Runs again what a run_manifest.json describes. Differences of code, versions "
        "and machine are listed; where data or weights differ, nothing is run.",
        epilog="Nothing is uploaded or pushed to the Hub. The same command goes on with a "
        "repetition that was stopped.",
    )
    parser.add_argument(
        "manifest", type=Path, metavar="MANIFEST", help="run_manifest.json, or its output folder"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="output folder (default: replay-of-<run id>)"
    )
    parser.add_argument(
        "--task-module", metavar="SPEC", help="the task, where it lies elsewhere here"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would run, and what differs"
    )
    parser.add_argument(
        "--force", action="store_true", help="run even on other data, weights or tokenizer"
    )
    return parser.parse_args(arguments)


def _tell(manifest: dict[str, Any], repetition: Repetition, folder: Path) -> None:
    command = " ".join(repetition.arguments(folder / CONFIG_FILE))
    lines = [
        f"Run {manifest['run_id']} of {manifest.get('created_at', 'an unknown time')} "
        f"({manifest['job_type']}), again:",
        f"  python -m tenyson.runner {command}",
        *(f"  {note}" for note in repetition.notes),
    ]
    sys.stderr.write("\n".join(lines) + "\n")


def _compare(manifest: dict[str, Any], *, force: bool) -> None:
    """Tells the differences that can be seen from here.

    Raises:
        TaskError: The weights differ.
    """
    found = differences(manifest, present_state(manifest))
    if not found:
        sys.stderr.write("Code, versions and weights are those of the original.\n")
        return
    sys.stderr.write("\n".join(difference_lines(found, "original", "here")) + "\n")
    if (grave := refused(found)) and not force:
        raise TaskError(
            f"This would be no repetition: it differs in "
            f"{', '.join(f'{d.kind} ({d.path})' for d in grave)}.",
            hint="Bring back what the original had, or use --force to run it all the same.",
        )


def _refuse_another_runs_folder(folder: Path, manifest: dict[str, Any]) -> None:
    if not (folder / File.NEWEST_ATTEMPT).exists():
        return
    try:
        there = read_manifest(folder)
    except ConfigError:
        return  # an attempt that ended before it wrote one
    if there.get("replay_of") != manifest["run_id"]:
        raise ConfigError(
            [Problem("--output", f"{folder} holds run {there['run_id']}")],
            hint="Give a folder of its own, with --output.",
        )
