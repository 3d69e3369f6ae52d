"""The pictures of a report: learning curves, reward functions, where the time went."""

import re
from collections.abc import Mapping, Sequence

from tenyson.errors import DependencyError
from tenyson.reporting.drawing import Panel, draw_curves
from tenyson.reporting.harmless import plain
from tenyson.reporting.lineage import is_eval, shown_type
from tenyson.reporting.report.facts import ReportFacts
from tenyson.reporting.report.panels import reward_panels, training_panels

Pictures = dict[str, str]
"""File name to SVG."""


def learning_curves(facts: ReportFacts, pictures: Pictures) -> str:
    """Draws each training run's curves into `pictures`; returns the Markdown that shows them."""
    parts = []
    for run in facts.runs:
        if is_eval(run):
            continue
        panels = training_panels(run.job_type, facts.training[run.run_id].curves)
        title = f"{shown_type(run)} {run.name}"
        if panels:
            said = f"Learning curves of {title}"
            parts.append(_drawn(pictures, f"{run.name}-curves", said, panels))
        else:
            parts.append(f"{plain(title)} has logged no metrics.")
    return "\n\n".join(parts) or "No run of this lineage trains."


def reward_curves(facts: ReportFacts, pictures: Pictures) -> Mapping[str, str]:
    """Draws the reward functions of each run that has some; returns the Markdown by run."""
    shown = {}
    for run in facts.runs:
        panels = reward_panels(facts.training[run.run_id].curves) if not is_eval(run) else []
        if panels:
            title = f"Reward functions of {shown_type(run)} {run.name}"
            name = f"{run.name}-rewards"
            shown[run.run_id] = _drawn(pictures, name, title, panels)
    return shown


def _drawn(pictures: Pictures, name: str, title: str, panels: Sequence[Panel]) -> str:
    """Returns the Markdown that shows the picture, or why there is none."""
    try:
        svg = draw_curves(panels)
    except DependencyError as error:
        return f"{plain(title)}: not drawn. {plain(error)}"
    stem = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "picture"
    file, number = f"{stem}.svg", 2
    while file in pictures:
        file, number = f"{stem}-{number}.svg", number + 1
    pictures[file] = svg
    return f"![{plain(title)}]({file})"
