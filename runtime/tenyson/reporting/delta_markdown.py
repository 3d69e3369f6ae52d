"""The delta report as Markdown: the verdict first, then what it rests on, then texts."""

import json
from collections.abc import Sequence
from typing import Any

from tenyson.evaluation.changes import Change
from tenyson.evaluation.power import MOST_PROMPTS
from tenyson.evaluation.statistics import RESAMPLES
from tenyson.evaluation.verdict import SIGNIFICANT
from tenyson.reporting.delta import DeltaReport, Example
from tenyson.reporting.eval_outputs import Answers, EvalOutputs
from tenyson.reporting.harmless import Markdown, code, fence
from tenyson.reporting.numbers import (
    difference_text,
    interval_text,
    p_text,
    size_text,
    value_text,
)
from tenyson.reporting.tables import markdown_table

SHOWN_SAMPLES = 2
"""Completions of a prompt that are shown."""
_MOST_PROMPT, _MOST_COMPLETION = 700, 500
"""Characters of each."""


def markdown_of(report: DeltaReport) -> str:
    """Returns the report's text."""
    main = next(iter(report.changes))
    parts = [
        "# Delta report",
        *(verdict_text(code(name), change) for name, change in report.changes.items()),
        *_notes(report),
        "## What was compared",
        _compared(report),
        "## Scores",
        _scores(report),
        "## Differences",
        _differences(report),
        "## Wins, losses, ties",
        _wins(report),
        *_examples(f"Worst regressions ({code(main)})", report.regressions, main),
        *_examples(f"Best gains ({code(main)})", report.gains, main),
        "## How this was computed",
        _method(report),
    ]
    return "\n\n".join(parts) + "\n"


def verdict_text(name: str, change: Change) -> str:
    """Returns a metric's change in words, the verdict first.

    Args:
        name: Of the metric, safe to show.
        change: Of its numbers.
    """
    share = change.is_share
    found = (
        f"**{name}: {change.verdict}.** {value_text(change.before.value, share)} → "
        f"{value_text(change.after.value, share)}, "
        f"{difference_text(change.difference.value, share)} "
        f"(95 % interval {interval_text(change.difference, share, signed=True)}), "
        f"p {p_text(change.p_adjusted)}."
    )
    return f"{found} {_reach(change)}" if change.verdict == "not shown" else found


def _reach(change: Change) -> str:
    """Returns what these prompts could have shown, and how many would show what was found."""
    share, n = change.is_share, change.difference.n
    if change.too_few:
        return f"{n} prompts are too few to show any difference, however large."
    if change.smallest_detectable is None:
        return (
            "How small a difference these prompts would show is not known: it is the same on "
            "every prompt."
        )
    smallest = size_text(change.smallest_detectable, share)
    could = (
        f"That does not say there is none: {n} prompts show a difference of {smallest} or more in "
        "8 of 10 evaluations, smaller ones less often."
    )
    if change.difference.value == 0:
        return could
    size = size_text(change.difference.value, share)
    if change.prompts_needed is None:
        return f"{could} One of {size}, as found here, takes more than {MOST_PROMPTS:,} prompts."
    return f"{could} One of {size}, as found here, takes about {change.prompts_needed:,} prompts."


def _notes(report: DeltaReport) -> list[str]:
    notes = [f"> **Not the same beside the training:** {code(d)}" for d in report.differences]
    same = ("adapter_sha256", "base")
    if all(report.before.model.get(n) == report.after.model.get(n) for n in same):
        notes.append("> Both files are of the same model.")
    return notes


def _compared(report: DeltaReport) -> str:
    return "\n".join(
        [
            f"- {report.prompts:,} prompts, evaluation set "
            f"{code(str(report.before.fingerprints.get('eval_set'))[:12])}",
            *(f"- {line}" for line in _side("before", report.before)),
            *(f"- {line}" for line in _side("after", report.after)),
        ]
    )


def _side(name: str, outputs: EvalOutputs) -> list[str]:
    base, adapter = outputs.model.get("base") or {}, outputs.model.get("adapter_sha256")
    weights = base.get("weights_sha256") or base.get("revision")
    model = f"base model {code(str(base.get('name')))}"
    model += f" ({code(str(weights)[:12])})" if weights else ""
    if adapter:
        path = code(str(outputs.model.get("name")))
        model = f"adapter {path} ({code(str(adapter)[:12])}) on {model}"
    # Told by what it is, not by ==: a temperature of 0 is told, too.
    told = {k: v for k, v in outputs.settings.items() if v is not None and v is not False}
    settings = ", ".join(f"{key} {value}" for key, value in told.items() if value != [])
    return [
        f"{name}: {model}",
        f"{name}: {code(outputs.place)}, run {code(str(outputs.run_id))}, "
        f"seed {outputs.seed}; {code(settings)}",
    ]


def _scores(report: DeltaReport) -> str:
    header = ("Score", "Before", "95 % interval", "After", "95 % interval")
    rows = [
        (
            name,
            value_text(change.before.value, change.is_share),
            interval_text(change.before, change.is_share),
            value_text(change.after.value, change.is_share),
            interval_text(change.after, change.is_share),
        )
        for name, change in report.changes.items()
    ]
    return markdown_table(header, rows)


def _differences(report: DeltaReport) -> str:
    header = (
        *("Score", "Difference", "95 % interval", "p", "p (Holm)", "Smallest detectable"),
        "Verdict",
    )
    rows = [
        (
            name,
            difference_text(change.difference.value, change.is_share),
            interval_text(change.difference, change.is_share, signed=True),
            p_text(change.test.p_value),
            p_text(change.p_adjusted),
            _smallest(change),
            change.verdict,
        )
        for name, change in report.changes.items()
    ]
    return markdown_table(header, rows)


def _smallest(change: Change) -> str:
    if change.smallest_detectable is not None:
        return size_text(change.smallest_detectable, change.is_share)
    return "none" if change.too_few else "not known"


def _wins(report: DeltaReport) -> str:
    rows = [
        (name, change.won, change.lost, change.test.same) for name, change in report.changes.items()
    ]
    return markdown_table(("Score", "Won", "Lost", "Tied"), rows)


def _examples(title: str, examples: Sequence[Example], score: str) -> list[str]:
    if not examples:
        return [f"## {title}", "None."]
    return [f"## {title}", *(part for example in examples for part in _example(example, score))]


def _example(example: Example, score: str) -> list[str]:
    expected = example.before.expected_answer
    return [
        f"### {code(example.id)}: {example.old:.4g} → {example.new:.4g}",
        "Prompt:",
        _ends(_text(example.before.prompt), _MOST_PROMPT),
        *(() if expected is None else (f"Expected: {code(_text(expected)[:_MOST_COMPLETION])}",)),
        *_completions("Before", example.before, score),
        *_completions("After", example.after, score),
    ]


def _completions(name: str, answers: Answers, score: str) -> list[str]:
    """Returns what was answered; of several samples the best and the worst."""
    order = sorted(range(len(answers.completions)), key=lambda n: answers.scores[n][score])
    shown = order if len(order) <= SHOWN_SAMPLES else [order[0], order[-1]]
    several = len(answers.completions) > 1
    parts = []
    for number in shown:
        which = f", sample {number + 1} of {len(order)}" if several else ""
        parts += [
            f"{name}{which} ({answers.scores[number][score]:.4g}):",
            _ends(answers.completions[number], _MOST_COMPLETION),
        ]
    return parts


def _ends(text: str, most: int) -> Markdown:
    """Returns a block with a long text's beginning and end: answers tend to stand at the end."""
    first, last = most * 2 // 3, most // 3
    if len(text) > most:
        left_out = len(text) - first - last
        text = f"{text[:first]}\n… {left_out:,} characters left out …\n{text[-last:]}"
    return fence(text, len(text))


def _text(value: Any) -> str:
    """Returns a prompt as text; messages one after the other, with their roles."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(turn, dict) for turn in value):
        return "\n".join(f"{turn.get('role')}: {turn.get('content')}" for turn in value)
    return json.dumps(value)


def _method(report: DeltaReport) -> str:
    tests = sorted({change.test.method for change in report.changes.values()})
    count = len(report.changes)
    metrics = f"{count} scores" if count > 1 else "1 score"
    is_sampled = any(len(answers.scores) > 1 for answers in report.before.rows.values())
    samples = " The samples of a prompt count as one, their mean." if is_sampled else ""
    return (
        f"Paired by prompt over {report.prompts:,} prompts.{samples} Test: {', '.join(tests)}, "
        f"two-sided; a verdict is improved or regressed where p < {SIGNIFICANT} after Holm's "
        f"correction for {metrics}. Intervals: Wilson's for a share, Bonett and Price's for a "
        f"difference of shares, else the bootstrap over prompts ({RESAMPLES:,} draws), and none "
        "(–) where all prompts have the same number; they are of one score each, without the "
        "correction. "
        f"Smallest detectable: the difference that is found in 8 of 10 evaluations of so many "
        f"prompts at p < {SIGNIFICANT / count:.3g}, as the models disagree here. Won, lost and "
        "tied count prompts."
    )
