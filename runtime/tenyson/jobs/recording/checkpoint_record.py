"""The rows of a run's checkpoints, and the events that tell of them."""

import contextlib
from pathlib import Path

from tenyson.checkpoints import manifest
from tenyson.checkpoints.watcher import Watcher
from tenyson.contract import File
from tenyson.errors import CheckpointError
from tenyson.files import sha256_of_file
from tenyson.jobs.recording.events import Events
from tenyson.telemetry import Telemetry
from tenyson.telemetry.event_rows import checkpoint_row
from tenyson.telemetry.rows import Row


class CheckpointRecord(Watcher):
    """Records each checkpoint that is saved, and again with its URI once a copy is uploaded.

    One that a newer attempt removes at that very moment is passed over.
    """

    def __init__(self, telemetry: Telemetry, events: Events, folder: Path) -> None:
        """Takes where rows go, and the output folder that paths are relative to."""
        self._telemetry = telemetry
        self._events = events
        self._folder = folder
        self._seconds: dict[Path, float] = {}
        """What saving took, of those that are not uploaded yet."""

    def saved(self, folder: Path, seconds: float) -> None:
        """Records a checkpoint."""
        if not self._telemetry.enabled:
            return
        self._seconds[folder] = seconds
        with contextlib.suppress(CheckpointError, OSError):
            row = self._row(folder, seconds, uri=None)
            self._telemetry.record([row])
            path, size = row.values["path"], row.values["bytes"]
            self._events.tell(
                "checkpoint",
                "saved",
                f"Saved {path} in {seconds:.2f} s.",
                step=row.values["step"],
                path=path,
                bytes=size,
                seconds=round(seconds, 3),
            )

    def failed(self, name: str, error: Exception) -> None:
        """Tells of a checkpoint that could not be saved."""
        said = f"{name} was not saved: {type(error).__name__}: {error}"
        self._events.tell("checkpoint", "failed", said, level="error", checkpoint=name)

    def uploaded(self, folder: Path, uri: str) -> None:
        """Records where a checkpoint's copy is."""
        if not self._telemetry.enabled:
            return
        with contextlib.suppress(CheckpointError, OSError):
            row = self._row(folder, self._seconds.pop(folder, None), uri=uri)
            self._telemetry.record([row])
            step = row.values["step"]
            self._events.tell("checkpoint", "uploaded", f"Uploaded to {uri}.", step=step, uri=uri)

    def warned(self, message: str) -> None:
        """Tells of trouble with checkpoints at the moment it comes up."""
        self._events.tell("checkpoint", "trouble", message, level="warning")

    def _row(self, folder: Path, seconds: float | None, *, uri: str | None) -> Row:
        facts = manifest.read(folder)
        sealed = folder / File.CHECKPOINT_MANIFEST
        files = sum(entry["bytes"] for entry in facts["files"].values())
        return checkpoint_row(
            self._telemetry.run,
            int(facts.get("step") or 0),
            folder.relative_to(self._folder).as_posix(),
            sha256=sha256_of_file(sealed),
            size_bytes=files + sealed.stat().st_size,
            seconds=None if seconds is None else round(seconds, 3),
            is_final=folder.name == File.FINAL_CHECKPOINT,
            uri=uri,
        )
