"""Rows of a run's best completions: rejection sampling from the telemetry database."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from tenyson.contract import Env
from tenyson.datasets.errors import DatasetRequestError
from tenyson.datasets.sources.source import (
    PlacedRow,
    Source,
    split_options,
    take_options,
    yes_or_no,
)

_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "best": int,
    "min_reward": float,
    "max_reward": float,
    "from_step": int,
    "to_step": int,
    "truncated": yes_or_no,
    "chat": yes_or_no,
}


class TelemetrySource(Source):
    """`telemetry:RUN[?best=4&min_reward=0.5&from_step=…&to_step=…&truncated=true&chat=true]`.

    Of each prompt of an RL run the `best` different completions (1), those of the highest reward
    first. Completions that were cut off are left out unless `truncated=true`. With `chat=true` a
    prompt's text becomes a user's message.
    """

    kind: ClassVar[str] = "telemetry"

    def __init__(self, text: str, rest: str, db_url: str | None) -> None:
        super().__init__(text)
        self.run, given = split_options(rest)
        self.options = take_options(text, given, _OPTIONS)
        self._db_url = db_url
        self._facts: dict[str, Any] = {}
        if self.options.get("best", 1) < 1:
            raise DatasetRequestError(f"{self.text}: best must be 1 or more.")

    def rows(self) -> Iterator[PlacedRow]:
        """Yields prompt and completion by step; a place is `telemetry:RUN, generation ID`."""
        url = self._db_url or os.environ.get(Env.TELEMETRY_DB_URL)
        if not url:
            raise DatasetRequestError(
                f"{self.text}: no telemetry database is named.",
                hint=f"Give --db-url, or set {Env.TELEMETRY_DB_URL}.",
            )
        from tenyson.datasets.sources._telemetry import best_completions

        rows, self._facts = best_completions(url, self.run, self.options)
        for row in rows:
            yield f"telemetry:{self.run}, generation {row['id']}", row

    def facts(self) -> dict[str, Any]:
        """Returns the run's whole id and its newest step."""
        return self._facts
