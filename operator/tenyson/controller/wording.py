"""Texts of others (runners, kubelets, schedulers), made fit for one line of `kubectl describe`."""

import re
from typing import Any, Final

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters: with them a text could paint over a terminal, or turn its neighbours round.
And halves of surrogate pairs, which no JSON of a status may hold."""


def harmless(content: Any) -> Any:
    """Returns a text, or a JSON value with all texts in it, without control characters."""
    if isinstance(content, str):
        return _UNSEEN.sub("", content)
    if isinstance(content, dict):
        return {harmless(name): harmless(value) for name, value in content.items()}
    return [harmless(each) for each in content] if isinstance(content, list) else content


def one_line(text: str, most: int = 8000) -> str:
    """Returns a text on one line, for a break would tear the columns; cut with an ellipsis.

    Args:
        text: What was said.
        most: Longest text, in characters.
    """
    joined = ""
    for line in filter(None, map(str.strip, harmless(text).splitlines())):
        joined += line if not joined else f" {line}" if joined[-1] in ".,:;" else f"; {line}"
    return joined if len(joined) <= most else joined[: most - 1].rstrip() + "…"


def last_lines(text: str, most: int) -> str:
    """Returns the end of a log, whole lines of it: what a program says last, it dies of."""
    kept: list[str] = []
    for line in reversed([stripped for line in text.splitlines() if (stripped := line.strip())]):
        if kept and len("\n".join([line, *kept])) > most:
            break
        kept.insert(0, line)
    return "\n".join(kept)[-most:]


def sentences(*said: str | None) -> str:
    """Returns what was said, one after the other, each closed by a stop."""
    told = [text for part in said if part and (text := part.strip())]
    closed = [text if text[-1] in ".!?…" else f"{text}." for text in told[:-1]]
    return " ".join([*closed, *told[-1:]])
