"""JSON of a size and depth that nobody means: measured, and cut before it can stop all other work.

A schema that leaves a field free lets ten thousand levels into the cluster, and a few lines of YAML
stand for a billion values. orjson reads 1024 levels and writes 254, Python's json about a thousand.
"""

import re
from typing import Any, Final

MOST_LEVELS: Final = 100
"""Levels that a configuration may have."""
MOST_VALUES: Final = 100_000
"""Values that it may have, each counted as often as it would be written."""
KEPT_LEVELS: Final = 150
"""Levels that are kept of what is deeper: enough for it to be refused, few enough to be handled."""

_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def problem(value: Any) -> str:
    """Returns what is too much about a configuration; empty if nothing is."""
    values = 0
    waiting = [(value, 1)]
    while waiting:
        found, level = waiting.pop()
        values += 1
        if level > MOST_LEVELS:
            return f"it is nested more than {MOST_LEVELS} levels deep"
        if values > MOST_VALUES:
            return f"it holds more than {MOST_VALUES} values"
        inside = found.values() if isinstance(found, dict) else found
        if isinstance(found, dict | list):
            waiting += [(each, level + 1) for each in inside]
    return ""


def cut(value: Any, levels: int = KEPT_LEVELS) -> Any:
    """Returns a copy of a value in which None stands for all that lies deeper."""
    if not isinstance(value, dict | list):
        return value
    if levels <= 0:
        return None
    if isinstance(value, dict):
        return {key: cut(each, levels - 1) for key, each in value.items()}
    return [cut(each, levels - 1) for each in value]


def cut_text(content: bytes, levels: int = KEPT_LEVELS) -> bytes:
    """Returns JSON in which null stands for all that lies deeper."""
    kept: list[bytes] = []
    level, start = 0, 0
    for token in _TOKENS.finditer(content):
        if token[0] in b"[{":
            level += 1
            if level == levels + 1:
                kept += [content[start : token.start()], b"null"]
        elif token[0] in b"]}":
            if level == levels + 1:
                start = token.end()
            level -= 1
    return b"".join([*kept, content[start:]])
