"""`tenyson eval`: answers of models to a file of prompts, and what may be concluded from two."""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from tenyson.contract import RUNS_FOLDER, ExitCode

EXAMPLES = f"""\
examples, in the folder of a run (the base model is the one that its manifest names):
  tenyson eval generate --model base --eval-set evalset.jsonl \\
    --output {RUNS_FOLDER}/my_run/eval_before.jsonl
  tenyson eval generate --model {RUNS_FOLDER}/my_run/checkpoint-final \\
    --eval-set evalset.jsonl --output {RUNS_FOLDER}/my_run/eval_after.jsonl
  tenyson eval report --before {RUNS_FOLDER}/my_run/eval_before.jsonl \\
    --after {RUNS_FOLDER}/my_run/eval_after.jsonl --output {RUNS_FOLDER}/my_run/delta_report.md

a row of an evaluation set:
  {{"id": "eval-001", "prompt": "What is 2+2?", "expected_answer": "4"}}
"""


def main(arguments: Sequence[str]) -> int:
    """Carries out `generate` or `report` and returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.action is None:
        parser.print_help()
        return int(ExitCode.CONFIG)
    module = importlib.import_module(f"tenyson.cli.eval_{options.action}")
    return int(module.carry_out(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tenyson eval",
        description="Generates a model's answers to a file of prompts, and compares two models'.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="generate|report")
    _add_generate(actions.add_parser("generate", help="answer and score a file of prompts"))
    _add_report(actions.add_parser("report", help="compare two models' answers: delta report"))
    return parser


def _add_generate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, metavar="base|CHECKPOINT",
        help="the base model, or a run's checkpoint-final")  # fmt: skip
    add("--eval-set", required=True, metavar="FILE",
        help="JSON Lines: id, prompt, expected_answer")  # fmt: skip
    add("--output", required=True, type=Path, metavar="FILE", help="eval_before.jsonl, for one")
    add("--base-model", metavar="NAME",
        help="Hub name or folder (default: what the run or the adapter names)")  # fmt: skip
    add("--scorer", action="append", metavar="SCORER",
        help="exact (default), exact:ignore_case, numeric, numeric:0.01, regex:PATTERN, math, or "
        "task with --task-module; may be given again and again")  # fmt: skip
    add("--task-module", metavar="SPEC", help="module:Class whose compute_metrics scores")
    add("--chat", action="store_true", help="send prompts through the model's chat template")
    add("--seed", type=int, metavar="N", help="of the sampling (default 42)")
    add("--max-new-tokens", type=int, metavar="N", help="of an answer (default 512)")
    add("--temperature", type=float, metavar="T", help="0, the default, is greedy")
    add("--num-samples", type=int, metavar="K", help="answers a prompt; needs a temperature")
    add("--max-prompts", type=int, metavar="N", help="only the first prompts of the file")
    add("--batch-size", type=int, metavar="N", help="answers generated at a time by hf")
    add("--engine", choices=("auto", "hf", "vllm"), help="what generates (default auto)")
    add("--set", action="append", default=[], metavar="A.B=C",
        help="any other field of the configuration, as in tenyson run")  # fmt: skip
    add("--folder", type=Path, metavar="DIR",
        help="of the Eval job's own files (default: beside the run's folder)")  # fmt: skip
    add("--overwrite", action="store_true", help="replace answers of another model or settings")


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--before", required=True, metavar="FILE", help="answers of the earlier model")
    add("--after", required=True, metavar="FILE",
        help="of the later; a file of eval generate, or the folder of an Eval job")  # fmt: skip
    add("--output", required=True, type=Path, metavar="FILE", help="delta_report.md, for one")
    add("--metric", action="append", metavar="NAME",
        help="compare this score alone; may be given again (default: every score)")  # fmt: skip
    add("--examples", type=int, default=5, metavar="N", help="shown of gains and of losses")
    add("--allow-differences", action="store_true",
        help="compare models of other bases, or answers drawn by other settings; the report says "
        "so")  # fmt: skip
    add("--json", action="store_true", help="print the numbers on standard output")
