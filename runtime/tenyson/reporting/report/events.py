"""What happened: guards first, then everything else that a reader should know of."""

from collections.abc import Sequence

from tenyson.reporting.harmless import Markdown, code, plain
from tenyson.reporting.records import Event, Run
from tenyson.reporting.report.facts import ReportFacts
from tenyson.reporting.report.words import count_of, moment, number
from tenyson.reporting.tables import markdown_table

SHOWN_DETAILS = 6
MESSAGE_CHARACTERS = 400


def events(facts: ReportFacts) -> str:
    """Returns the guards' verdicts, the other events, and how many of each kind there were."""
    names = {run.run_id: run for run in facts.runs}
    guards = [event for event in facts.events if event.kind == "guard"]
    others = [event for event in facts.events if event.kind != "guard"]
    parts = [_counts(facts)]
    parts += ["### Guards", _table(guards, names) if guards else "No guard had anything to say."]
    if others:
        parts += ["### Other events", _table(others, names)]
    return "\n\n".join(parts)


def _counts(facts: ReportFacts) -> str:
    total = sum(facts.event_counts.values())
    if not total:
        return "No events were recorded."
    by_kind = ", ".join(
        f"{plain(kind)} {plain(level)} {count:,}"
        for (kind, level), count in facts.event_counts.items()
    )
    shown = len(facts.events)
    told = f" Shown: {shown:,} that tell more than the tables." if 0 < shown < total else ""
    return f"{count_of(total, 'event')}: {by_kind}.{told}"


def _table(events_: Sequence[Event], runs: dict[str, Run]) -> str:
    header = ("When", "Run", "Attempt", "Step", "Kind", "Level", "What")
    rows = [
        (
            moment(event.created_at).removesuffix(" UTC"),
            code(runs[event.run_id].name),
            event.attempt,
            event.step,
            plain(event.kind),
            Markdown(f"**{plain(event.level)}**" if event.level != "info" else "info"),
            _what(event),
        )
        for event in events_
    ]
    return markdown_table(header, rows)


def _what(event: Event) -> Markdown:
    said = f"{code(event.name)} {plain(event.message[:MESSAGE_CHARACTERS])}"
    details = [
        f"{code(name)} {plain(number(value)[:60])}"
        for name, value in list(event.details.items())[:SHOWN_DETAILS]
        if isinstance(value, int | float | str)
    ]
    return Markdown(f"{said} ({', '.join(details)})" if details else said)
