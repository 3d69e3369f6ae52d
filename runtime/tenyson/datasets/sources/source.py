"""What rows are read from: a word before a colon, or a file's path or URL."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from tenyson.datasets.errors import DatasetRequestError
from tenyson.manifest.secret import hide_password
from tenyson.near_names import near_names

PlacedRow = tuple[str, Mapping[str, Any]]
"""Where a row was found, for messages, and the row."""


class Source(ABC):
    """Rows from one place."""

    kind: ClassVar[str]

    def __init__(self, text: str) -> None:
        self.text = hide_password(text)
        """As it was given, without a password."""

    @abstractmethod
    def rows(self) -> Iterator[PlacedRow]:
        """Yields the rows in their order; nothing is opened before the first is asked for."""

    def facts(self) -> dict[str, Any]:
        """Returns what else identifies the source, once its rows were read."""
        return {}


def split_options(text: str) -> tuple[str, dict[str, str]]:
    """Returns what comes before a `?`, and the options `name=value&…` after it."""
    name, _, query = text.partition("?")
    return name, dict(parse_qsl(query, keep_blank_values=True))


def take_options(
    source: str, given: Mapping[str, str], known: Mapping[str, Callable[[str], Any]]
) -> dict[str, Any]:
    """Returns the options' values, read by the functions that are named for them.

    Raises:
        DatasetRequestError: An option is unknown, or its value is none.
    """
    read = {}
    for name, value in given.items():
        if name not in known:
            raise DatasetRequestError(
                f"{source}: there is no option {name!r}. {near_names(name, known)}".strip(),
                hint=f"Known: {', '.join(known)}.",
            )
        try:
            read[name] = known[name](value)
        except ValueError as error:
            raise DatasetRequestError(
                f"{source}: the option {name} is {value!r}; expected {_expected(known[name])}."
            ) from error
    return read


def yes_or_no(text: str) -> bool:
    """Returns what `true` or `false` means."""
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _expected(reader: Callable[[str], Any]) -> str:
    words = {int: "a whole number", float: "a number", yes_or_no: "true or false"}
    return words.get(reader, "another value")
