"""Rows of a data set on the Hub, or in its cache where the Hub cannot be reached."""

from collections.abc import Iterator
from typing import Any, ClassVar

from tenyson.datasets.sources.source import PlacedRow, Source, split_options, take_options


class HubSource(Source):
    """`hub:NAME[@revision][?split=train&config=main]`."""

    kind: ClassVar[str] = "hub"

    def __init__(self, text: str, rest: str) -> None:
        super().__init__(text)
        named, given = split_options(rest)
        self.name, _, self.revision = named.partition("@")
        options = take_options(text, given, {"split": str, "config": str})
        self.split, self.config = options.get("split", "train"), options.get("config")
        self._facts: dict[str, Any] = {}

    def rows(self) -> Iterator[PlacedRow]:
        """Yields the split's rows; a place is `hub:NAME, row 7`, counted from 0."""
        from tenyson.datasets.sources._hub import load

        dataset, self._facts = load(self.name, self.revision or None, self.split, self.config)
        for number, row in enumerate(dataset):
            yield f"hub:{self.name}, row {number}", row

    def facts(self) -> dict[str, Any]:
        """Returns the split, the commit and the library's own fingerprint."""
        return self._facts
