"""`tenyson eval report`: the delta report of two models' answers."""

import argparse
import json
import os
import sys
from pathlib import Path

from tenyson.contract import ExitCode
from tenyson.errors import ConfigError, Problem
from tenyson.reporting.delta import delta_report
from tenyson.reporting.delta_markdown import verdict_text
from tenyson.reporting.harmless import flat


def carry_out(options: argparse.Namespace) -> int:
    """Writes the report, and prints the verdicts."""
    if options.examples < 0:
        raise ConfigError([Problem("--examples", f"expected 0 or more, got {options.examples}")])
    _refuse_output(options)
    report = delta_report(
        options.before,
        options.after,
        metrics=options.metric,
        examples=options.examples,
        allow_differences=options.allow_differences,
    )
    report.save(options.output)
    if options.json:
        sys.stdout.write(json.dumps(report.to_dict()) + "\n")
        return int(ExitCode.DONE)
    for difference in report.differences:
        sys.stdout.write(f"Note: {flat(difference)}\n")
    for name, change in report.changes.items():
        sys.stdout.write(verdict_text(flat(name), change).replace("**", "") + "\n")
    sys.stdout.write(f"{options.output}\n")
    return int(ExitCode.DONE)


def _refuse_output(options: argparse.Namespace) -> None:
    """Refuses to write a report where something else would be lost."""
    output: Path = options.output
    if output.is_dir():
        raise ConfigError([Problem("--output", f"{output} is a folder; expected a file")])
    for given in (options.before, options.after):
        if output.exists() and Path(given).exists() and os.path.samefile(output, given):
            raise ConfigError([Problem("--output", f"{output} holds the answers to compare")])
