"""Texts of others (runners, kubelets, schedulers), made fit for one line of `kubectl describe`."""

import re


def one_line(text: str, most: int = 8000) -> str:
    """Returns a text without line breaks, which would tear the columns; cut with an ellipsis.

    Args:
        text: What was said.
        most: Longest text, in characters.
    """
    joined = re.sub(r"(?<=[.,:;])\s*\n\s*", " ", text.strip())
    joined = re.sub(r"\s*\n\s*", "; ", joined)
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
