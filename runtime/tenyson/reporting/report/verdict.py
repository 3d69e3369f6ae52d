"""What may be concluded: the models of the lineage on the same prompts."""

from collections.abc import Sequence

from tenyson.reporting.comparison import compare, comparison_section, verdict_sentence
from tenyson.reporting.evaluations import Evaluation
from tenyson.reporting.harmless import Markdown, code, fence, plain
from tenyson.reporting.lineage import is_eval
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
    for scored in _comparable(facts):
        metric = _metric(facts, scored)
        evaluations = _harmless(scored.evaluations(metric))
        binary = all(e.is_binary for e in evaluations)
        comparisons = compare(evaluations)
        # The last one is of the whole way, where there are several.
        lines += [
            f"- {verdict_sentence(c, binary=binary)}, {code(metric)} of "
            f"{count_of(scored.prompts, 'prompt')}"
            for c in (comparisons[-1:] + comparisons[:-1])
        ]
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
            parts.append(comparison_section(found, metric=plain(metric)))
            others = [name for name in scored.metrics if name != metric]
            if others:
                parts += ["Other numbers of the same evaluations:", _others(scored, others)]
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
    return [Evaluation(plain(e.name), e.scores, e.prompts) for e in evaluations]


def _without_comparison(facts: ReportFacts) -> str:
    evaluated = [run for run in facts.runs if is_eval(run)]
    if not evaluated:
        why = "This lineage holds no evaluation."
    elif not facts.scored:
        why = "Its evaluations left no per-prompt scores in the database."
    else:
        why = "Each evaluated model answered prompts of its own, or only one was evaluated."
    return f"{NOTHING_TO_COMPARE} {why}"


def _others(scored: ScoredSet, metrics: Sequence[str]) -> str:
    rows = [
        (code(metric), *(_mean(model.found.scores[metric].values()) for model in scored.models))
        for metric in metrics
    ]
    return markdown_table(("Metric", *(plain(m.name) for m in scored.models)), rows)


def _mean(values: object) -> str:
    found = list(values)  # type: ignore[call-overload]
    return number(sum(found) / len(found))


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
