"""Where the time went, how fast it was and what it cost."""

from collections import Counter
from collections.abc import Sequence

from tenyson.reporting.harmless import plain
from tenyson.reporting.numbers import bytes_text
from tenyson.reporting.records import Run
from tenyson.reporting.report.words import duration, money, number, share
from tenyson.reporting.tables import markdown_table

PHASES = ("load", "data", "generate", "reward", "sync", "forward_backward", "save", "eval")
"""In the order in which a step goes through them."""


def usage(runs: Sequence[Run]) -> str:
    """Returns tables of phase times, and of speed, memory and cost."""
    told = [run for run in runs if run.attempts]
    parts = [part for part in (_phases(told), _speed(told)) if part]
    return "\n\n".join(parts) or "No attempt recorded its measurements."


def _phases(runs: Sequence[Run]) -> str:
    """One column a run: seconds of each phase over all attempts, and their share."""
    totals = {run.run_id: _summed(run) for run in runs}
    found = dict.fromkeys(name for total in totals.values() for name in total)
    names = [n for n in PHASES if n in found] + [n for n in found if n not in PHASES]
    if not names:
        return ""
    rows = [(plain(name), *(_part(totals[run.run_id], name) for run in runs)) for name in names]
    rows.append(("all", *(duration(sum(totals[run.run_id].values())) for run in runs)))
    return markdown_table(("Phase", *(plain(run.name) for run in runs)), rows)


def _speed(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        tokens: Counter[str] = Counter()
        for attempt in run.attempts:
            tokens.update({n: int(v) for n, v in attempt.tokens.items() if _is_number(v)})
        memory = [a.peak_memory for a in run.attempts if a.peak_memory]
        rows.append(
            (
                plain(run.name),
                number(run.last.result.get("tokens_per_second") if run.last else None),
                *(number(tokens.get(name)) for name in ("prompt", "completion", "trained")),
                *(bytes_text(max((m.get(n) or 0 for m in memory), default=0) or None)
                  for n in ("rss", "cuda")),
                duration(run.took),
                money(run.cost),
            )
        )  # fmt: skip
    header = ("Run", "Tokens/s", "Read", "Sampled", "Trained", "Memory", "On GPU", "Time", "Cost")
    return markdown_table(header, rows) if rows else ""


def _summed(run: Run) -> dict[str, float]:
    total: Counter[str] = Counter()
    for attempt in run.attempts:
        for name, seconds in attempt.phase_seconds.items():
            if _is_number(seconds):
                total[name] += seconds  # type: ignore[assignment]
    return dict(total)


def _part(total: dict[str, float], name: str) -> str:
    if name not in total:
        return ""
    return f"{duration(total[name])} ({share(total[name] / (sum(total.values()) or 1.0))})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
