"""Where an attempt tells of itself while it runs: light, and of nobody's by default."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenyson.checkpoints.watcher import Watcher
from tenyson.jobs.result import JobResult
from tenyson.jobs.stop import StopRequest

if TYPE_CHECKING:
    from tenyson.telemetry import Telemetry
    from tenyson.telemetry.event_rows import Kind, Level


class Record:
    """Takes what an attempt has to tell; this one keeps nothing.

    Nothing here waits for a database or a tracker, or raises its errors.
    """

    watcher = Watcher()
    """To be told what becomes of checkpoints."""

    @property
    def telemetry(self) -> "Telemetry":
        """Where rows of prompts and completions go."""
        from tenyson.telemetry import open_telemetry

        return open_telemetry(None, ".", run_id="", attempt=0)

    def tell(
        self,
        kind: "Kind",
        name: str,
        message: str,
        *,
        level: "Level" = "info",
        step: int | None = None,
        at: datetime | None = None,
        **details: Any,
    ) -> None:
        """Takes an event; see `telemetry.event_rows.event_row`."""

    def describe(self, manifest: Mapping[str, Any], parents: Sequence[str]) -> None:
        """Takes what the run is made of, and the ids of the runs that it comes from."""

    def start_training(self, step: int) -> None:
        """Takes the step that the training goes on from."""

    def add_row(self, step: int, row: Mapping[str, float], remaining_seconds: float | None) -> None:
        """Takes a row of numbers that the trainer has logged."""

    def close(self, result: JobResult, stop: StopRequest, uri: str | None) -> str | None:
        """Takes the end, and fills `telemetry` and `wandb_url` of the result.

        Returns:
            What the reader of the result should know of rows that are not in the database.
        """
        result.telemetry = {"written": 0, "spooled": 0}
        return None
