"""What may be concluded: base → SFT → RL on the same prompts, with intervals and paired tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tenyson.evaluation.statistics import Estimate
from tenyson.examples.wordle.report import STAGES
from tenyson.reporting import compare, load_evaluation
from tenyson.reporting.comparison import Comparison, estimate
from tenyson.reporting.evaluations import Evaluation
from tenyson.reporting.numbers import interval_text


def load_stages(folders: Mapping[str, Path]) -> list[Evaluation]:
    """Returns the stages' per-prompt scores from the Eval jobs' output folders."""
    return [load_evaluation(stage, folders[job]) for stage, job in STAGES.items()]


def print_conclusions(console: Console, evaluations: Sequence[Evaluation]) -> None:
    """Prints each stage's accuracy, and how each compares with the one before it."""
    prompts = len(evaluations[0].scores)
    shown = Table(
        title=f"Accuracy on {prompts} held-out prompts", title_justify="left", title_style="bold"
    )
    for heading in (
        "Model",
        "Accuracy",
        "95 % interval",
        "Against the stage before",
        "p (McNemar)",
    ):
        shown.add_column(heading, justify="left" if heading == "Model" else "right")
    comparisons = {comparison.after: comparison for comparison in reversed(compare(evaluations))}
    for evaluation in evaluations:
        found = estimate(evaluation)
        shown.add_row(
            evaluation.name,
            f"{100 * found.value:.1f} %",
            _interval(found),
            *_against(comparisons.get(evaluation.name)),
        )
    console.print(shown)


def _against(comparison: Comparison | None) -> tuple[str, str]:
    if comparison is None:
        return "", ""
    found = comparison.difference
    difference = f"{100 * found.value:+.1f} points ({_interval(found, signed=True)})"
    return difference, f"{comparison.test.p_value:.1e}"


def _interval(found: Estimate, *, signed: bool = False) -> str:
    return interval_text(found, is_share=True, signed=signed)
