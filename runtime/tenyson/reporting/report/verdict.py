"""What may be concluded: the models of the lineage on the same prompts."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from tenyson.evaluation.verdict import SIGNIFICANT
from tenyson.reporting.beside_training import beside_training
from tenyson.reporting.comparison import (
    Comparison,
    compare,
    comparison_section,
    verdict_sentence,
)
from tenyson.reporting.evaluations import Evaluation
from tenyson.reporting.harmless import Markdown, code, fence, plain
from tenyson.reporting.lineage import is_eval
from tenyson.reporting.numbers import difference_text, p_text, size_text
from tenyson.reporting.records import Run
from tenyson.reporting.report.facts import Changed, ReportFacts
from tenyson.reporting.report.words import count_of, number
from tenyson.reporting.scored_models import ScoredSet
from tenyson.reporting.tables import markdown_table

BAD_ENDS = ("failed", "diverged")
REASON_CHARACTERS = 300
NOTHING_TO_COMPARE = (
    "**Not shown**: no two models of this lineage answered the same prompts, so nothing may be "
    "concluded about whether training helped."
)


def verdict(facts: ReportFacts) -> str:
    """Returns the verdict in sentences, the most important one first."""
    lines = [_ended_badly(run) for run in facts.runs if run.status in BAD_ENDS]
    by_id = {run.run_id: run for run in facts.runs}
    for scored in _comparable(facts):
        if differing := beside_training(scored, by_id):
            told = plain("; ".join(differing))
            lines.append(f"- **Not the same beside the training**: {told}")
        metric = _metric(facts, scored)
        evaluations = _harmless(scored.evaluations(metric))
        binary = all(e.is_binary for e in evaluations)
        comparisons = compare(evaluations)
        alpha = SIGNIFICANT / max(1, len(comparisons))
        # The last one is of the whole way, where there are several.
        for c in comparisons[-1:] + comparisons[:-1]:
            sentence = verdict_sentence(c, binary=binary)
            prompts = count_of(scored.prompts, "prompt") + (", sampled" if scored.sampled else "")
            reach = _reach(scored, c, metric, alpha) if c.verdict == "not shown" else ""
            lines.append(f"- {sentence}, {code(metric)} of {prompts}{reach}")
    if not _comparable(facts):
        lines.append(f"- {_without_comparison(facts)}")
    return "\n".join(lines)


def evaluations(facts: ReportFacts) -> str:
    """Returns each model's number with its interval, the comparisons, and answers that changed."""
    parts = []
    for scored in facts.scored:
        if scored.metrics:
            metric = _metric(facts, scored)
            found = _harmless(scored.evaluations(metric))
            if scored.sampled:
                parts.append("The samples that were drawn beside the greedy answers:")
            parts.append(comparison_section(found, metric=plain(metric)))
            others = [name for name in scored.metrics if name != metric]
            if others:
                parts += ["Other numbers of the same evaluations:", _others(scored, metric, others)]
    if facts.gains or facts.losses:
        parts += _changes("Most gained", facts.gains) + _changes("Most lost", facts.losses)
    return "\n\n".join(parts) or "No evaluation left per-prompt scores."


def _ended_badly(run: Run) -> str:
    last = run.last
    failure = last.failure if last else {}
    said = f"{failure.get('type', '')}: {failure.get('message', '')}".strip(": ")
    why = said or (last.stop_reason if last else None) or "no reason was recorded"
    return f"- {code(run.name)} **{plain(run.status)}**: {plain(why[:REASON_CHARACTERS])}"


def _comparable(facts: ReportFacts) -> list[ScoredSet]:
    return [scored for scored in facts.scored if len(scored.models) > 1 and scored.metrics]


def _metric(facts: ReportFacts, scored: ScoredSet) -> str:
    return facts.metric if facts.metric in scored.metrics else scored.metrics[0]


def _harmless(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [replace(e, name=plain(e.name)) for e in evaluations]


def _without_comparison(facts: ReportFacts) -> str:
    evaluated = [run for run in facts.runs if is_eval(run)]
    if not evaluated:
        why = "This lineage holds no evaluation."
    elif not facts.scored:
        why = "Its evaluations left no per-prompt scores in the database."
    else:
        why = "Each evaluated model answered prompts of its own, or only one was evaluated."
    return f"{NOTHING_TO_COMPARE} {why}"


def _reach(scored: ScoredSet, comparison: Comparison, metric: str, alpha: float) -> str:
    """What these prompts could have shown: not shown is not the same as no difference.

    Where there are several comparisons the verdict asks more of each, and so does this.
    """
    by_name = {str(plain(model.name)): model for model in scored.models}
    pair = ScoredSet([by_name[comparison.before], by_name[comparison.after]])
    change = pair.changes([metric], alpha=alpha)[metric]
    if change.too_few:
        return ". So few prompts show no difference, however large"
    if change.smallest_detectable is None:
        return ". How small a one they would show is not known: it is the same on every prompt"
    size = size_text(change.smallest_detectable, change.is_share)
    return f". So many show a difference of {size} or more in 8 of 10 evaluations"


def _others(scored: ScoredSet, main: str, metrics: Sequence[str]) -> str:
    """The other metrics: each model's mean, and what became of them from the first to the last.

    They are adjusted together with the main one: it is one look at all of them.
    """
    header = ["Metric", *(plain(model.name) for model in scored.models)]
    rows: list[list[object]] = [
        [code(m), *(number(fmean(model.found.scores[m].values())) for model in scored.models)]
        for m in metrics
    ]
    if len(scored.models) > 1:
        header += ["First to last", "p (Holm)", "Verdict"]
        changes = scored.changes([main, *metrics])
        for row, change in zip(rows, (changes[m] for m in metrics), strict=True):
            difference = difference_text(change.difference.value, change.is_share)
            row += [difference, p_text(change.p_adjusted), change.verdict]
    return markdown_table(header, rows)


def _changes(title: str, changed: Sequence[Changed]) -> list[str]:
    parts: list[str] = [f"### {title}"] if changed else []
    for change in changed:
        line = f"{code(change.row_id)}: {number(change.before)} → {number(change.after)}"
        parts.append(Markdown(line))
        known = change.answer_after or change.answer_before
        if known is not None:
            expected = f" (expected: {plain(known.expected)})" if known.expected else ""
            parts += [f"Prompt{expected}:", fence(known.prompt)]
        for said, answer in (("Before", change.answer_before), ("After", change.answer_after)):
            if answer is not None:
                parts += [f"{said}:", fence(answer.completion)]
    return parts
