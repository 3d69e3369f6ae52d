"""The record of an attempt that has a database to write to, or trackers to tell."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenyson.files import sha256_of_file
from tenyson.jobs.recording.attempt_rows import AttemptRows
from tenyson.jobs.recording.checkpoint_record import CheckpointRecord
from tenyson.jobs.recording.events import Events
from tenyson.jobs.recording.logged_numbers import LoggedNumbers
from tenyson.jobs.recording.record import Record
from tenyson.jobs.result import JobResult
from tenyson.jobs.stop import StopRequest
from tenyson.jobs.tracking.tracker import Trackers
from tenyson.telemetry import Telemetry

if TYPE_CHECKING:
    from tenyson.telemetry.event_rows import Kind, Level

CLOSE_SECONDS = 120.0
"""For the last rows, those of a large evaluation among them; a stop leaves less, and a database
that is away is not waited for. What does not get through waits in the spool."""
TRACKER_SECONDS = 60.0
"""For trackers to send what is left; a stop may leave less."""


class LiveRecord(Record):
    """Puts together what a record is made of; see `Record`."""

    def __init__(
        self,
        telemetry: Telemetry,
        events: Events,
        rows: AttemptRows,
        numbers: LoggedNumbers,
        trackers: Trackers,
        folder: Path,
    ) -> None:
        """Takes the parts, and the output folder that paths are relative to."""
        self._telemetry = telemetry
        self._events = events
        self._rows = rows
        self._numbers = numbers
        self._trackers = trackers
        self._folder = folder
        self._is_closed = False
        self.watcher = CheckpointRecord(telemetry, events, folder)

    @property
    def telemetry(self) -> Telemetry:
        """Where rows of prompts and completions go."""
        return self._telemetry

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
        """Takes an event."""
        self._events.tell(kind, name, message, level=level, step=step, at=at, **details)

    def describe(self, manifest: Mapping[str, Any], parents: Sequence[str]) -> None:
        """Takes what the run is made of."""
        self._rows.describe(manifest, parents)

    def start_training(self, step: int) -> None:
        """Takes the step that the training goes on from."""
        self._numbers.start(step)

    def add_row(self, step: int, row: Mapping[str, float], remaining_seconds: float | None) -> None:
        """Takes a row of numbers that the trainer has logged."""
        if self._telemetry.enabled:
            self._numbers.add(step, row, remaining_seconds)
        self._trackers.log(step, row)

    def close(self, result: JobResult, stop: StopRequest, uri: str | None) -> str | None:
        """Takes the end: trackers first, for the result names their runs, then the last rows."""
        if self._is_closed:  # at a stop's deadline a second thread comes by
            return None
        self._is_closed = True
        self._close_trackers(result, stop)
        if self._telemetry.enabled:
            self._rows.end(result, stop, uri)
        result.telemetry = self._telemetry.close(CLOSE_SECONDS, lambda: stop.remaining_seconds)
        return self._telemetry.warning

    def _close_trackers(self, result: JobResult, stop: StopRequest) -> None:
        offline = self._trackers.offline
        result.wandb_url = self._trackers.url or result.wandb_url
        self._trackers.finish(
            result.metrics, result.exit_code, TRACKER_SECONDS, lambda: stop.remaining_seconds
        )
        for tracker in offline:
            artifact = _artifact_of(tracker.folder, self._folder)
            if artifact is not None:
                result.artifacts.append({"kind": tracker.name, **artifact})
                result.warnings.append(
                    f"{tracker.name} was offline: its run lies in {tracker.folder}. To send it: "
                    f"{tracker.how_to_send}"
                )


def _artifact_of(run: Path | None, folder: Path) -> dict[str, Any] | None:
    """Returns an offline run as a JobResult lists it, by the one file that has all of it."""
    files = sorted(run.glob("run-*.wandb")) if run else []
    if not files:
        return None
    path = files[-1]
    place = path.relative_to(folder) if path.is_relative_to(folder) else path
    facts = {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
    return {"path": place.as_posix(), **facts}
