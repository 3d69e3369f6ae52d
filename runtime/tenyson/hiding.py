"""Secrets of this process, kept out of what it says: by their values, wherever these turn up.

An exception may quote a token, and its text goes far: to the log, the result, the termination
message, from there into a TenysonJob's status and Events, and into telemetry. Which values are
secret is known at the start: those of the variables that come from Secrets (`TENYSON_SECRETS` names
them), of variables and fields that have a secret's name, and the passwords of URLs.

What cannot be helped: a value that a task changes first, writes to a file of its own, or that a
library in C writes past Python's streams.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO, cast
from urllib.parse import quote, quote_plus

from tenyson.contract import Env

HIDDEN: Final = "***"
SHORTEST: Final = 6
"""Characters of the shortest value that is hidden by itself; a shorter one tears words apart."""

# A password may hold any character, also those that end a host; as SQLAlchemy reads it, it goes up
# to an `@`. Up to the last one: what is hidden in vain costs less than half a password.
_PASSWORD: Final = re.compile(r"(://[^:/\s]*:)(.*)@", re.DOTALL)
_IN_QUERY: Final = re.compile(r"\?((?:[^?]*&)?\w*pass(?:word|file)=.*)", re.DOTALL | re.IGNORECASE)
_QUERY_VALUE: Final = re.compile(r"pass(?:word|file)=([^&]+)", re.IGNORECASE)
_URL: Final = re.compile(r"[\w+.-]+://")
_NAMES: Final = "api_?key|access_?key|token|secret|(?:pg)?password|passwd"
# A tokenizer's special tokens are no secrets.
SPECIAL_TOKENS: Final = "".join(
    rf"(?<!\b{n}_)" for n in ("bos", "eos", "pad", "unk", "sep", "cls", "mask", "end", "stop")
)
SECRET_NAMES: Final = rf"{SPECIAL_TOKENS}(?:{_NAMES})"
_SECRET_NAME: Final = re.compile(rf"(?:^|_){SECRET_NAMES}$", re.IGNORECASE)

_known: tuple[str, ...] = ()
"""Longest first; never changed in place, for other threads go through it."""
_pattern: re.Pattern[str] | None = None


def is_secret_name(name: str) -> bool:
    """Whether a variable or a field of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def is_url(text: str) -> bool:
    """Whether a text begins as a URL does."""
    return _URL.match(text) is not None


def has_password(text: str) -> bool:
    """Whether a text that is a URL holds a password."""
    return hide_password(text) != text


def hide_password(text: str) -> str:
    """Returns a text that may be or hold a URL with its passwords replaced by `***`."""
    return _PASSWORD.sub(rf"\1{HIDDEN}@", _IN_QUERY.sub(f"?{HIDDEN}", text))


def passwords_of(url: str) -> list[str]:
    """Returns the passwords that a URL holds."""
    found = [match[2] for match in _PASSWORD.finditer(url)]
    return found + [match[1] for match in _QUERY_VALUE.finditer(url)]


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """Yields the values of an environment that nobody is to see."""
    from_secrets = set(environment.get(Env.SECRETS, "").split(","))
    for name, value in environment.items():
        if is_url(value):
            yield from passwords_of(value)
        # By its name alone a path is none: KUBEFLOW_TRAINER_SERVER_TOKEN is a file's.
        if name in from_secrets or (is_secret_name(name) and not value.startswith("/")):
            yield value


def learn(values: Iterable[str]) -> None:
    """Has these values hidden from now on, as they are and as URLs, JSON and tracebacks show them.

    Of a value of several lines each line counts.
    """
    global _known, _pattern
    known = {*_known, *(form for value in values for form in _forms(value))}
    if known:
        longest_first = sorted(known, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))
        _known = tuple(longest_first)


def forget() -> None:
    """Forgets every value."""
    global _known, _pattern
    _known, _pattern = (), None


def hide(text: str) -> str:
    """Returns a text with every value that is known replaced by `***`."""
    if _pattern is None or len(text) < SHORTEST:
        return text
    # A run writes millions of texts, and most hold none: this takes a third of the pattern's time.
    for value in _known:
        if value in text:
            return _pattern.sub(HIDDEN, text)
    return text


def hide_in(content: Any) -> Any:
    """Returns a JSON value with every value that is known replaced in all texts of it."""
    return content if _pattern is None else _hidden_in(content)


def _hidden_in(content: Any) -> Any:
    if isinstance(content, str):
        return hide(content)
    if isinstance(content, dict | Mapping):  # the first is quick to tell, and the usual one
        return {_hidden_in(name): _hidden_in(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_hidden_in(value) for value in content]
    return content


def _forms(value: str) -> Iterator[str]:
    for line in {value.strip(), *map(str.strip, value.splitlines())}:
        if len(line) >= SHORTEST:
            yield from (line, quote(line, safe=""), quote_plus(line), json.dumps(line)[1:-1])


class HidingStream:
    """A text stream whose readers see no secret; all but writing is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a text, with what is known by now hidden in it."""
        self._stream.write(hide(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes texts, one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def hide_in_streams() -> None:
    """Has standard output and standard error hide what is known, for the rest of the process."""
    sys.stdout = cast(TextIO, HidingStream(sys.stdout))
    sys.stderr = cast(TextIO, HidingStream(sys.stderr))
