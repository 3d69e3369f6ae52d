"""Text of models, users and databases, shown so that it does no harm in a terminal or a page.

A completion may hold anything: terminal escapes, HTML, Markdown, NUL, half a surrogate pair, marks
that turn the direction of writing. What cannot be seen is made visible; what a page would read as
its own is written so that it is text.
"""

import re
import unicodedata

_KEPT = "\u200c\u200d"
"""Joiners: invisible, and needed by Persian, Hindi and emoji."""
_SHOWN_CATEGORIES = ("Zs", "Co", "Cn")
_SPECIAL = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|(?<=:)//|(?<=www)\.")
_AT_START = re.compile(r"^(?:#{1,6}|[-+=]|\d{1,9}[.)])(?=\s|$)")
_NOT_IN_CODE = re.compile(r"[`|\\]")
LONG_TEXT = 1200
"""Characters of a prompt or a completion that a report shows."""


class Markdown(str):
    """Text that is Markdown already; tables put it in as it is."""

    __slots__ = ()


def visible(text: str, *, lines: bool = False) -> str:
    r"""Returns the text with what cannot be seen made visible: ␛ for escape, `\u202e` for a mark.

    Args:
        text: Of anyone.
        lines: Whether ends of lines and tabs stay what they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _shown(c, lines) for c in text)


def flat(text: str) -> str:
    """Returns the text on one line, spaces for its line ends, nothing invisible in it."""
    return visible(" ".join(text.split()))


def plain(text: object) -> Markdown:
    """Returns the text as Markdown that shows it letter by letter, on one line."""
    line = _SPECIAL.sub(_as_entities, flat(str(text)))
    return Markdown(_AT_START.sub(lambda found: found[0][:-1] + _entity(found[0][-1]), line))


def code(text: object) -> Markdown:
    """Returns the text as code on one line; where code cannot hold it in a table, as text."""
    line = flat(str(text))
    return Markdown(f"`{line}`") if line and not _NOT_IN_CODE.search(line) else plain(line)


def fence(text: str, limit: int = LONG_TEXT) -> Markdown:
    """Returns a block of code with the text, in a fence longer than any inside.

    Args:
        text: Of any kind and length.
        limit: Characters that are shown; the rest is counted.
    """
    shown = visible(cut(text, limit), lines=True)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    marks = "`" * max(3, longest + 1)
    return Markdown(f"{marks}text\n{shown}\n{marks}")


def cut(text: str, limit: int) -> str:
    """Returns the text, or its first characters and how many more there are."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _shown(character: str, lines: bool) -> str:
    point = ord(character)
    if character in _KEPT or (lines and character in "\n\t"):
        return character
    if unicodedata.category(character) in _SHOWN_CATEGORIES:
        return character
    if point < 0x20:
        return chr(0x2400 + point)
    if point == 0x7F:
        return "\u2421"
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def _as_entities(found: re.Match[str]) -> str:
    return "".join(_entity(character) for character in found[0])


def _entity(character: str) -> str:
    return _NAMED.get(character) or f"&#{ord(character)};"


_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
