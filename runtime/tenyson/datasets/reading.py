"""The rows of all sources that pass a recipe, kept in a file, and what became of the others."""

import hashlib
from collections import Counter
from typing import IO, Any

from tenyson.datasets.errors import DatasetError, DatasetRequestError
from tenyson.datasets.filters import MISSING, field_of, keys_of
from tenyson.datasets.recipe import Recipe, content_of, renamed, with_id
from tenyson.datasets.rows import checked_row, row_digest, row_line
from tenyson.datasets.selection import choose, require_all_times, time_of
from tenyson.datasets.sources import Source
from tenyson.near_names import near_names

_KNOWN_FIELDS = 1_000
"""Names of fields that are remembered for a message."""


class Reading:
    """Reads sources one after the other; a row is in memory once."""

    def __init__(self, recipe: Recipe, file: IO[bytes]) -> None:
        """Takes the recipe, and an empty file to keep rows in."""
        self._recipe, self._file = recipe, file
        self.sources: list[dict[str, Any]] = []
        """Facts of each source read."""
        self.dropped: Counter[str] = Counter()
        """By filter, the rows that it dropped."""
        self.duplicates = 0
        self._offsets = [0]
        self._digests: list[bytes] = []
        self._times: list[float | None] = []
        self._places: list[str] = []
        self._contents: Counter[bytes] = Counter()
        self._fields: dict[str, None] = {}
        self._unknown_keys = {condition.key for condition in recipe.filters}

    @property
    def count(self) -> int:
        """Rows read."""
        return sum(source["rows"] for source in self.sources)

    def read(self, source: Source) -> None:
        """Takes in all rows of a source."""
        digest, count = hashlib.sha256(), 0
        for place, raw in source.rows():
            row = checked_row(raw, place)
            digest.update(row_digest(row))
            count += 1
            self._take(renamed(row, self._recipe.map, place), place)
        self.sources.append(
            {"source": source.text, "kind": source.kind, "rows": count}
            | {"sha256": digest.hexdigest(), **source.facts()}
        )

    def chosen(self) -> list[int]:
        """Returns the rows that the recipe's limit leaves, as places among those that passed.

        Raises:
            DatasetRequestError: A filter's field is in no row.
            DatasetError: No row is left, or which are the latest cannot be told.
        """
        self._require_known_keys()
        if not self._digests:
            dropped = [f"{count} by the filter {text}" for text, count in self.dropped.items()]
            raise DatasetError(
                f"No row is left of {self.count} read"
                + (f": dropped {', '.join(dropped)}." if dropped else "."),
                hint="Look at the sources and filters.",
            )
        if self._recipe.needs_times:
            require_all_times(self._times, self._places)
        return choose(
            self._digests,
            self._times,
            limit=self._recipe.limit,
            strategy=self._recipe.selection_strategy,
            seed=self._recipe.seed,
        )

    def line(self, index: int) -> tuple[str, bytes]:
        """Returns the place and the line of a row that passed."""
        self._file.seek(self._offsets[index])
        line = self._file.read(self._offsets[index + 1] - self._offsets[index])
        return self._places[index], line

    def _take(self, row: dict[str, Any], place: str) -> None:
        if self._recipe.filters:
            self._note_fields(row)
        for condition in self._recipe.filters:
            if not condition.passes(row, place):
                self.dropped[condition.text] += 1
                return
        content = content_of(row)
        self._contents[content] += 1
        if (copies := self._contents[content]) > 1 and not self._recipe.keep_duplicates:
            self.duplicates += 1
            return
        had_id = row.get("id") is not None
        row = with_id(row, content, place)
        if copies > 1 and not had_id:
            row["id"] = f"{row['id']}-{copies}"
        self._digests.append(row_digest(row))
        self._times.append(time_of(row, place) if self._recipe.needs_times else None)
        self._places.append(place)
        self._offsets.append(self._offsets[-1] + self._file.write(row_line(row)))

    def _note_fields(self, row: dict[str, Any]) -> None:
        if not self._unknown_keys:
            return
        self._unknown_keys -= {k for k in self._unknown_keys if field_of(row, k) is not MISSING}
        if len(self._fields) < _KNOWN_FIELDS:
            self._fields.update(dict.fromkeys(keys_of(row)))

    def _require_known_keys(self) -> None:
        """Refuses a filter on a field that no row has: it is misspelled."""
        for condition in self._recipe.filters:
            if condition.key in self._unknown_keys and self.count:
                raise DatasetRequestError(
                    f"No row has the field {condition.key!r} of the filter {condition.text!r}. "
                    f"{near_names(condition.key, self._fields)}".strip(),
                    hint=f"Fields: {', '.join(list(self._fields)[:30])}.",
                )
