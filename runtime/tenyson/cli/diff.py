"""`tenyson diff`: why two runs differ, and what came of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tenyson.manifest.differences import differences
from tenyson.manifest.outcome import Outcome, metric_rows, parted_at, read_outcome
from tenyson.manifest.table import aligned, difference_lines

SAME, DIFFERENT = 0, 1


def main(arguments: Sequence[str]) -> int:
    """Compares two runs; returns 0 where they are the same, 1 where they differ."""
    options = _options(arguments)
    left, right = read_outcome(options.left), read_outcome(options.right)
    causes = differences(left.manifest, right.manifest)
    effects = metric_rows(left.metrics, right.metrics, everything=options.all)
    parting = parted_at(left.rows, right.rows)
    lines = [*_named("A", left), *_named("B", right), ""]
    if causes:
        lines += ["Why they may differ", *_indented(difference_lines(causes, "A", "B")), ""]
    if effects:
        lines += ["What came of it", *_indented(aligned([("", "A", "B", "B - A"), *effects])), ""]
    if parting:
        lines += [f"Their logs part at {parting}.", ""]
    is_different = bool(parting) or any(one != other for _, one, other, _ in effects)
    if is_different and not causes:
        lines += [_UNEXPLAINED, ""]
    if not causes and not is_different:
        lines += ["They started from the same and came to the same.", ""]
    sys.stdout.write("\n".join(lines))
    return DIFFERENT if causes or is_different else SAME


_UNEXPLAINED = (
    "Nothing that a manifest holds explains this. What is left: kernels that add up in another "
    "order\n(training.determinism: strict), an attempt that was resumed, a task that draws at "
    "random without a seed."
)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tenyson diff",
        description="Says why two runs differ: configuration, data, weights, code, versions, "
        "machine; and what came of it: metrics, and the step at which their logs part.",
        epilog="Ends with 0 where they are the same, 1 where they differ.",
    )
    for name in ("left", "right"):
        parser.add_argument(
            name, type=Path, metavar=name.upper(), help="output folder, or run_manifest.json"
        )
    parser.add_argument("--all", action="store_true", help="show equal metrics, too")
    return parser.parse_args(arguments)


def _named(letter: str, run: Outcome) -> list[str]:
    told = [f"run {run.manifest.get('run_id')}", str(run.manifest.get("job_type"))]
    if run.result is not None:
        told.append(run.result.status)
        if run.result.global_step is not None:
            told.append(f"step {run.result.global_step}")
    return [f"{letter}  {run.place} ({', '.join(told)})"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
