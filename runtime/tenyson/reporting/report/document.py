"""The report as Markdown: what it says, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass

from tenyson.reporting.harmless import plain
from tenyson.reporting.lineage import is_eval
from tenyson.reporting.report import chain, environment, events, pictures, rewards, usage, verdict
from tenyson.reporting.report.facts import ReportFacts


@dataclass(frozen=True)
class Report:
    """A report and its pictures."""

    title: str
    markdown: str
    """Refers to each picture by its name in `pictures` alone."""
    pictures: Mapping[str, str]
    """File name to SVG."""


def compose(facts: ReportFacts) -> Report:
    """Returns the report on a lineage, the verdict first; the same facts give the same report."""
    drawn: pictures.Pictures = {}
    title = _title(facts)
    curves = pictures.learning_curves(facts, drawn)
    reward_curves = pictures.reward_curves(facts, drawn)
    warnings = chain.warnings(facts.runs)
    sections = {
        "": verdict.verdict(facts),
        "Runs": chain.runs_table(facts.runs),
        "Lineage": chain.lineage(facts.runs, facts.asked),
        "Warnings": warnings,
        "Evaluations": verdict.evaluations(facts),
        "Learning curves": curves,
        "Rewards": rewards.rewards(facts, reward_curves),
        "Events": events.events(facts),
        "What was changed from run to run": chain.configuration(facts.runs),
        "Time, tokens and cost": usage.usage(facts.runs),
        "Groups of completions": rewards.groups(facts),
        "Environment": environment.environment(facts.runs),
        "Once more": environment.again(facts.runs),
    }
    parts = [f"# {plain(title)}"]
    for heading, text in sections.items():
        if text:
            parts += [f"## {heading}", text] if heading else [text]
    return Report(title, "\n\n".join(parts) + "\n", drawn)


def _title(facts: ReportFacts) -> str:
    names = {run.run_id: run.name for run in facts.runs}
    asked = [names[run_id] for run_id in facts.asked if run_id in names]
    trained = " → ".join(run.name for run in facts.runs if not is_eval(run))
    return f"{', '.join(asked)}" + (f" ({trained})" if trained and [trained] != asked else "")
