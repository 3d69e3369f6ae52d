"""Attempts at one run, and what their folder holds."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.store import CheckpointStore
from tenyson.contract import File
from tenyson.jobs.outcome.records import leave_result, upload_results
from tenyson.jobs.result import JobResult


class Attempt:
    """One attempt at a run, as far as storage sees it."""

    def __init__(self, folder: Path, number: int, bucket: Path | None = None) -> None:
        self.folder, self.number = folder, number
        self.mirror = Mirror(f"file://{bucket}", pause_seconds=0) if bucket else None
        self.fence = Fence(folder, number, self.mirror)
        self.fence.claim()
        self.store = CheckpointStore(self.fence, keep=2, mirror=self.mirror)

    @contextmanager
    def saving(self, name: str) -> Iterator[Path]:
        step = 0 if name == File.FINAL_CHECKPOINT else int(name.rpartition("-")[2])
        with self.store.saving(name, step=step, attempt=self.number) as aside:
            (aside / "a.bin").write_text(f"{name} of {self.number}", encoding="utf-8")
            yield aside
        assert self.store._uploads.wait(30)
        if self.store._superseded is not None:
            raise self.store._superseded

    def save(self, name: str) -> None:
        with self.saving(name):
            pass

    def finish(self) -> None:
        """Trains to the end: two checkpoints, the final one, the result, the uploads."""
        for name in ("checkpoint-4", "checkpoint-6", File.FINAL_CHECKPOINT):
            self.save(name)
        self.leave_result()
        if self.mirror:
            upload_results(self.mirror, self.fence)

    def leave_result(self) -> None:
        result = JobResult("run", "success", 1.0, attempt=self.number)
        leave_result(result, None, self.fence, self.mirror)

    def is_deaf(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on it is one that was paused right after its look at the marker."""
        monkeypatch.setattr(self.fence, "check", lambda: None)
        monkeypatch.setattr(self.fence, "check_everywhere", lambda: None)
        if self.mirror:
            self.mirror.guard = lambda: None


def contents(folder: Path, *, without: str = "") -> dict[str, str]:
    """Every file with its hash, those of one attempt's folder left out."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in found.items()
        if not (without and name.startswith(f"{without}/"))
    }
