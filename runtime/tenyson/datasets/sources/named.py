"""Rows of a data set that was built before."""

from collections.abc import Iterator
from typing import Any, ClassVar

from tenyson.datasets.sources.source import PlacedRow, Source


class NamedSource(Source):
    """`dataset:KEY`, verified before it is read."""

    kind: ClassVar[str] = "dataset"

    def __init__(self, text: str, key: str, store: str | None) -> None:
        super().__init__(text)
        self._key, self._store = key, store
        self._facts: dict[str, Any] = {}

    def rows(self) -> Iterator[PlacedRow]:
        """Yields the rows; a place is `data.jsonl` of that data set with the line."""
        from tenyson.datasets.loading import open_dataset

        dataset = open_dataset(self._key, self._store)
        self._facts = {"build_id": dataset.manifest.build_id}
        yield from dataset.placed_rows()

    def facts(self) -> dict[str, Any]:
        """Returns the build that was read."""
        return self._facts
