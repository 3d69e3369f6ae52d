"""Text and JSON as every database takes them, and the way back: nothing is lost on it.

PostgreSQL and UTF-8 have no place for a NUL or for half a surrogate pair, and language models
produce both. Such a code unit is stored as `␛` (U+241B) and four hexadecimal digits, `␛0000` and
`␛d800`; a `␛` that the text had itself as `␛241b`. Columns of the models undo it when they are
read. To a person, a terminal or a page the stored form is a harmless sign, and to SQL, too.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

ESCAPE = "\u241b"
_UNSTORABLE = re.compile(f"[\x00\ud800-\udfff{ESCAPE}]")
_ESCAPED = re.compile(f"{ESCAPE}([0-9a-f]{{4}})")


def escape(text: str) -> str:
    """Returns the text as it is stored."""
    if "\x00" not in text and ESCAPE not in text and _is_utf8(text):
        return text
    return _UNSTORABLE.sub(lambda match: f"{ESCAPE}{ord(match[0]):04x}", text)


def unescape(text: str) -> str:
    """Returns the text that `escape` was given."""
    if ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def json_ready(value: Any) -> Any:
    """Returns the value as JSON holds it, with every text escaped; NaN and infinity become null."""
    if isinstance(value, str):
        return escape(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {escape(str(key)): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if callable(item := getattr(value, "item", None)) and getattr(value, "ndim", 0) == 0:
        return json_ready(item())  # a scalar of NumPy or torch
    if callable(tolist := getattr(value, "tolist", None)):
        return json_ready(tolist())
    return escape(str(value))


def json_restored(value: Any) -> Any:
    """Returns the value that `json_ready` was given, as far as JSON can tell."""
    if isinstance(value, str):
        return unescape(value)
    if isinstance(value, Mapping):
        return {unescape(key): json_restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_restored(item) for item in value]
    return value


def prompt_hash(prompt: str) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of the prompt as it is stored."""
    return hashlib.sha256(escape(prompt).encode()).hexdigest()[:16]


def _is_utf8(text: str) -> bool:
    """Whether the text has no half of a surrogate pair; much faster than to look for one."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
