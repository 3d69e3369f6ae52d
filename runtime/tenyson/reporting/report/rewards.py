"""What the reward functions said, and the groups that are worth reading."""

from collections.abc import Mapping, Sequence

from tenyson.reporting.harmless import code, fence, plain
from tenyson.reporting.lineage import is_eval
from tenyson.reporting.records import Completion, Group
from tenyson.reporting.report.facts import ReportFacts, TrainingFacts
from tenyson.reporting.report.words import count_of, number
from tenyson.reporting.tables import markdown_table

SHOWN_COMPLETIONS = 4
"""Of a group, spread from its best to its worst."""
SHOWN_ALIKE = 2
"""Of a group whose completions all got the same."""
_NOT_KEPT = "*Its text was not kept (`telemetry.keep`).*"
_KINDS = (
    ("Best", "best", "the highest mean reward"),
    ("Worst", "worst", "the lowest mean reward"),
    ("Zero variance", "zero_variance", "all completions got the same, so nothing is learned here"),
)


def rewards(facts: ReportFacts, curves: Mapping[str, str]) -> str:
    """Returns each run's reward functions: weight, first and last mean, curve.

    Args:
        facts: Of the report.
        curves: The pictures, by run.
    """
    parts = []
    for run in facts.runs:
        if is_eval(run):
            continue
        table = _components(facts.training[run.run_id])
        picture = curves.get(run.run_id)
        if table or picture:
            parts += [f"### {plain(run.name)}", *(part for part in (table, picture) if part)]
    return "\n\n".join(parts) or "No run of this lineage recorded reward functions."


def groups(facts: ReportFacts) -> str:
    """Returns the best, the worst and the zero-variance groups of each run with their texts."""
    parts: list[str] = []
    trained = [run for run in facts.runs if run.run_id in facts.training]
    several = sum(bool(facts.training[run.run_id].best) for run in trained) > 1
    for run in trained:
        found = facts.training[run.run_id]
        for title, name, why in _KINDS:
            chosen: Sequence[Group] = getattr(found, name)
            of_run = f" of {plain(run.name)}" if several else ""
            for place, group in enumerate(chosen, 1):
                reward = f"mean reward {number(group.reward_mean)}"
                parts.append(f"### {title} {place}{of_run}: step {group.step:,}, {reward}")
                if place == 1:
                    parts.append(f"{title}: {why}.")
                parts += _group(group)
    return "\n\n".join(parts) or "No run of this lineage recorded groups of completions."


def _components(found: TrainingFacts) -> str:
    if not found.components:
        return ""
    header = ("Reward function", "Weight", "Mean at the first step", "Mean at the last step")
    rows = [
        (code(c.name), number(c.weight), number(c.first), number(c.last)) for c in found.components
    ]
    return markdown_table(header, rows)


def _group(group: Group) -> list[str]:
    parts = ["Prompt:", fence(group.prompt)]
    shown = spread(group.completions)
    if len(shown) < len(group.completions):
        parts.append(_chosen(group, len(shown)))
    for completion in shown:
        parts.append(_rewards_of(completion))
        parts.append(_NOT_KEPT if completion.text is None else fence(completion.text))
    if not group.completions:
        parts.append(_NOT_KEPT)
    return parts


def _chosen(group: Group, shown: int) -> str:
    """Which of the group's completions are shown."""
    total = count_of(len(group.completions), "completion")
    if group.reward_std:
        return f"{shown} of {total}, from the highest reward to the lowest:"
    if len({completion.text for completion in group.completions}) == 1:
        return f"All of its {total} are this one:"
    return f"{shown} of {total}, all of which got the same:"


def spread(completions: Sequence[Completion]) -> list[Completion]:
    """Returns a few completions, the best and the worst of them included, the best first."""
    scored = [c for c in completions if c.reward is not None]
    ordered = sorted(scored, key=lambda c: (-(c.reward or 0.0), c.index))
    ordered += [c for c in completions if c.reward is None]
    if len({c.reward for c in ordered}) == 1:
        return list({c.text: c for c in reversed(ordered)}.values())[::-1][:SHOWN_ALIKE]
    if len(ordered) <= SHOWN_COMPLETIONS:
        return ordered
    last = len(ordered) - 1
    places = [round(last * part / (SHOWN_COMPLETIONS - 1)) for part in range(SHOWN_COMPLETIONS)]
    return [ordered[place] for place in places]


def _rewards_of(completion: Completion) -> str:
    said = [f"Completion {completion.index}: reward **{number(completion.reward)}**"]
    if completion.advantage is not None:
        said.append(f"advantage {completion.advantage:+.3g}")
    if completion.tokens is not None:
        said.append(count_of(completion.tokens, "token"))
    if completion.truncated:
        said.append("cut off")
    said += [f"{code(name)} {number(value)}" for name, value in completion.components.items()]
    return ", ".join(said)
