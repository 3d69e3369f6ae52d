"""The experiment's report: from the jobs' results and output folders to final_report.md."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.errors import DependencyError, TenysonError
from tenyson.files import write_atomically
from tenyson.jobs.result import JobResult
from tenyson.reporting import (
    Comparison,
    Evaluation,
    ReportBuilder,
    compare,
    comparison_section,
    draw_curve,
    load_evaluation,
    markdown_table,
    metrics_table,
    read_curve,
    results_table,
    verdict_sentence,
)
from tenyson.reporting.harmless import plain
from tenyson.reporting.report import make_report, write_report
from tenyson.telemetry.reading import open_database

REPORT, WHOLE_REPORT = "final_report.md", "report.md"
STAGES: Mapping[str, str] = {
    "base": "wordle-base-eval",
    "SFT": "wordle-sft-eval",
    "RL": "wordle-eval",
}
"""Model of each stage, as tables call it, and the Eval job that measured it."""
CURVES = (
    ("wordle-sft", "loss", "SFT: loss"),
    ("wordle-rl", "reward", "RL: mean reward"),
    ("wordle-rl", "entropy", "RL: entropy"),
    ("wordle-rl", "frac_reward_zero_std", "RL: share of groups without a signal"),
)
"""Job, key in metrics.jsonl, title."""


def build_report(
    results: Mapping[str, JobResult],
    output: str | Path,
    folders: Mapping[str, str | Path] | None = None,
    *,
    command: str = "make demo",
    db_url: str | None = None,
) -> Path:
    """Writes final_report.md and its pictures; returns the report's path.

    Where the telemetry can be read, report.md tells the rest: what `tenyson report` makes of it.

    Args:
        results: By job name, as experiment.yaml has them; an Eval job that is missing leaves its
            stage out.
        output: Folder of the report.
        folders: The jobs' output folders as this process sees them; None takes the results'.
        command: What makes the same experiment again.
        db_url: The telemetry database as this process reaches it; None where it does not.

    Raises:
        ComparisonError: The stages were not evaluated on the same prompts.
    """
    output = Path(output)
    places = {name: Path(result.local_output_dir or ".") for name, result in results.items()}
    places |= {name: Path(folder) for name, folder in (folders or {}).items()}
    stages = {stage: job for stage, job in STAGES.items() if job in results}
    evaluations = [load_evaluation(stage, places[job]) for stage, job in stages.items()]
    measured = {stage: results[job] for stage, job in stages.items()}
    report = ReportBuilder(files(__package__).joinpath("report_template.md").read_text("utf-8"))
    report.fill(
        {
            "verdict": _verdict(compare(evaluations)),
            "comparison": _comparison(evaluations),
            "metrics": metrics_table(measured),
            "jobs": results_table(results),
            "warnings": _warnings(results),
            "curves": _curves(places, output),
            "telemetry": _telemetry(results),
            "chance": _chance(measured),
            "command": command,
            "whole_report": _whole_report(results, output / WHOLE_REPORT, db_url),
            **_settings(places),
        }
    )
    for kind in ("sft", "rl"):
        training = results.get(f"wordle-{kind}")
        url = training.wandb_url if training else None
        report.attach_wandb_scalar_link(f"{kind}_wandb_link", url, f"{kind.upper()} run")
    return report.save(output / REPORT)


def _verdict(comparisons: Sequence[Comparison]) -> str:
    sentences = [f"- {verdict_sentence(comparison)}" for comparison in comparisons]
    return "\n".join(sentences) or "Fewer than two stages were evaluated: nothing to compare."


def _comparison(evaluations: Sequence[Evaluation]) -> str:
    return comparison_section(evaluations) if evaluations else "No stage was evaluated."


def _chance(measured: Mapping[str, JobResult]) -> str:
    shares = [r.metrics["chance"] for r in measured.values() if "chance" in r.metrics]
    return f"{100 * shares[0]:.1f} %" if shares else "an unknown share"


def _warnings(results: Mapping[str, JobResult]) -> str:
    lines = [f"- {name}: {text}" for name, result in results.items() for text in result.warnings]
    return "\n".join(["Warnings:", "", *lines]) if lines else "No job had a warning."


def _curves(folders: Mapping[str, Path], output: Path) -> str:
    """Draws the curves into files: Markdown on a Git host shows no picture that is written in."""
    links = []
    for job, metric, title in CURVES:
        curve = read_curve(folders[job], metric) if job in folders else None
        if curve is not None and curve.points:
            name = f"curves/{job}-{metric}.svg"
            try:
                picture = draw_curve([curve], title=title)
            except DependencyError as error:
                return f"Not drawn: {error}"
            write_atomically(output / name, picture)
            links.append(f"![{title}]({name})")
    return "\n\n".join(links) or "No metrics were logged."


def _telemetry(results: Mapping[str, JobResult]) -> str:
    rows = [
        (name, result.telemetry.get("written", 0), result.telemetry.get("spooled", 0))
        for name, result in results.items()
    ]
    return markdown_table(("Job", "Rows written", "Rows that wait"), rows)


def _whole_report(results: Mapping[str, JobResult], path: Path, db_url: str | None) -> str:
    """Writes the report on the last training and its lineage; returns where it is, or why not."""
    training = results.get("wordle-rl") or results.get("wordle-sft")
    if db_url is None or training is None:
        return (
            "`tenyson report wordle-rl --db-url URL` tells the rest, from the telemetry database."
        )
    try:
        engine = open_database(db_url)
        try:
            write_report(make_report(engine, [training.run_id]), path)
        finally:
            engine.dispose()
    except TenysonError as error:
        return f"The whole report could not be made: {plain(error)}"
    return f"[The whole report]({path.name}): lineage, rewards, events, times, examples."


def _settings(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Model and seed, from the manifest of the training jobs."""
    for job in ("wordle-rl", "wordle-sft", *STAGES.values()):
        try:
            manifest = json.loads((folders[job] / File.MANIFEST).read_text(encoding="utf-8"))
            return {"model": manifest["training_config"]["model"], "seed": manifest["seed"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {"model": "unknown", "seed": "unknown"}
