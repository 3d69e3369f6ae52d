"""The `tenyson` command: finds the word's module, and says what went wrong in a sentence."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tenyson.contract import ExitCode
from tenyson.errors import TenysonError
from tenyson.near_names import near_name

COMMANDS: Mapping[str, str] = {
    "run": "run one attempt at an SFT, RL or Eval job, as python -m tenyson.runner does",
    "replay": "run again what a run_manifest.json describes, and see that it is the same",
    "eval": "answer a file of prompts with a model, and compare two models (delta report)",
    "diff": "say why two runs differ: configuration, data, code, versions, metrics",
    "runs": "list, show and compare runs of the telemetry database",
    "report": "write the report on a run and its lineage, from the telemetry database",
    "dataset": "build, export, list, show and verify named data sets",
    "doctor": "look at what a run needs here: libraries, database, storage, tokens, GPU",
    "db": "upgrade the telemetry database, show what is in it, bring it rows that wait",
}
"""What each word does; the module of that name has `main(arguments) -> exit code`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return int(ExitCode.DONE if given else ExitCode.CONFIG)
    if given[0] == "--version":
        from importlib.metadata import version

        sys.stdout.write(f"tenyson {version('tenyson')}\n")
        return int(ExitCode.DONE)
    if given[0] not in COMMANDS:
        near = near_name(given[0], COMMANDS)
        meant = f" Did you mean {near!r}?" if near else ""
        sys.stderr.write(f"tenyson has no command {given[0]!r}.{meant}\n\n{_help()}")
        return int(ExitCode.CONFIG)
    module = importlib.import_module(f"tenyson.cli.{given[0]}")
    carry_out = cast(Callable[[Sequence[str]], int], module.main)
    try:
        return carry_out(given[1:])
    except TenysonError as error:
        sys.stderr.write(f"{error.message}\n" + (f"  {error.hint}\n" if error.hint else ""))
        return int(error.exit_code)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {said}" for name, said in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tenyson COMMAND [ARGUMENTS]",
            "",
            "Post-training of language models: SFT, RL (GRPO), evaluation.",
            "",
            *lines,
            "",
            "tenyson COMMAND --help tells more of each.",
            "",
        ]
    )
