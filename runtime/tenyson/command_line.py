"""The runner's arguments; argparse is all that `--help` loads."""

import argparse
from typing import NoReturn

from tenyson.contract import RUNS_FOLDER, Env, JobType
from tenyson.errors import ConfigError, Problem

EXAMPLES = """\
examples:
  python -m tenyson.runner --job-type sft \\
    --config tasks/tenyson/examples/wordle/configs/sft_config.yaml \\
    --task-module tenyson.examples.wordle.wordle_task:WordleTask

  the same, to see what it would do, then to see that each of its parts works:
    … --dry-run
    … --smoke

  the same with other values than the file's, and from step 40 on:
    … --set training.learning_rate=1e-4 --set task.sft_rows=640 --resume 40

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
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_the_job(parser.add_argument_group("the job"))
    _add_changes(parser.add_argument_group("changes to the configuration"))
    _add_trials(parser.add_argument_group("trying it first, nothing is left behind"))
    _add_output(parser.add_argument_group("output"))
    return parser


def config_overrides(options: argparse.Namespace) -> list[str]:
    """Returns what the command line sets in the configuration, each `a.b=c`."""
    resume = [f"checkpoint.resume={options.resume}"] if options.resume is not None else []
    return [*options.set, *resume]


def _add_the_job(group: argparse._ArgumentGroup) -> None:
    kinds = [kind.value for kind in JobType]
    group.add_argument("--job-type", required=True, choices=kinds, help="what to run")
    group.add_argument("--config", required=True, metavar="FILE", help="YAML or JSON file")
    group.add_argument(
        "--task-module",
        required=True,
        metavar="SPEC",
        help="module.path:ClassName, a .py file, or a module of hook functions",
    )


def _add_changes(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        help="this value for one field, written as in YAML; may be given again and again",
    )
    group.add_argument(
        "--resume",
        type=_resume,
        metavar="auto|never|STEP",
        help="start from the newest verified checkpoint, from none, or from that of a step",
    )


def _add_trials(group: argparse._ArgumentGroup) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--dry-run",
        action="store_true",
        help="check configuration, task and data, and print what the run would do; trains nothing",
    )
    either.add_argument(
        "--smoke",
        action="store_true",
        help="train 2 steps, save, resume, and evaluate one batch, really, in a temporary folder",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output-dir",
        metavar="DIR",
        help=f"output folder (default: ${Env.OUTPUT_DIR}, else {RUNS_FOLDER}/<run id>)",
    )
    group.add_argument(
        "--run-id",
        metavar="ID",
        help=f"name of the run (default: ${Env.RUN_ID}, else that of the run in the output folder, "
        "else a new UUID)",
    )
    group.add_argument(
        "--json", action="store_true", help="print the result on standard output, as one JSON line"
    )


def _resume(text: str) -> str:
    if text in ("auto", "never") or (text.isdecimal() and int(text) > 0):
        return text
    raise argparse.ArgumentTypeError(f"expected auto, never or a step from 1 up, got {text!r}")
