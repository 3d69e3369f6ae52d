"""The runner's arguments; argparse is all that `--help` loads."""

import argparse
from typing import NoReturn

from tenyson.contract import RUNS_FOLDER, Env, JobType
from tenyson.errors import ConfigError, Problem

EXAMPLE = """\
example:
  python -m tenyson.runner --job-type sft \\
    --config tenyson/examples/wordle/configs/sft_config.yaml \\
    --task-module tenyson.examples.wordle.wordle_task:WordleTask

exit codes: 0 done, 64 configuration, 65 task or data, 69 a dependency is away, 70 internal,
71 out of memory, 72 diverged, 73 budget reached, 75 stopped with a checkpoint, 77 credentials
"""


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments as a configuration error, so that they leave a result, too."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(
            [Problem("command line", message)],
            hint="python -m tenyson.runner --help shows the arguments.",
        )


def make_parser() -> argparse.ArgumentParser:
    """Returns what reads the command line; wrong arguments raise ConfigError."""
    parser = _Parser(
        prog="python -m tenyson.runner",
        description="Runs one attempt at an SFT, RL or Eval job.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--job-type", required=True, choices=[t.value for t in JobType], help="what to run"
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML or JSON file")
    parser.add_argument(
        "--task-module",
        required=True,
        metavar="SPEC",
        help="module.path:ClassName, a .py file, or a module of hook functions",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        help=f"output folder (default: ${Env.OUTPUT_DIR}, else {RUNS_FOLDER}/<run id>)",
    )
    parser.add_argument(
        "--run-id", metavar="ID", help=f"name of the run (default: ${Env.RUN_ID}, else a new UUID)"
    )
    return parser
