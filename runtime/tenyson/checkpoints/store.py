"""The checkpoints of a run: saved aside and renamed, rotated, mirrored, found again verified."""

import contextlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenyson.checkpoints import manifest
from tenyson.checkpoints.mirror import Mirror
from tenyson.contract import File
from tenyson.errors import CheckpointError, TenysonError
from tenyson.files import sync_folder

LOG = logging.getLogger("tenyson.checkpoints")
_NAME = re.compile(r"checkpoint-(\d+)")
_ASIDE_PREFIX = ".saving-"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are all what its manifest says."""

    step: int
    folder: Path
    facts: dict[str, Any] = field(compare=False)
    """What was written into its manifest when it was saved."""


class CheckpointStore:
    """The checkpoints in an output folder and, where there is one, in its mirror."""

    def __init__(self, folder: Path, *, keep: int, mirror: Mirror | None = None) -> None:
        self.folder = folder
        self.warnings: list[str] = []
        """What a reader of the result should know: fallbacks, uploads that failed."""
        self._keep = keep
        self._mirror = mirror
        for left_over in folder.glob(f"{_ASIDE_PREFIX}*"):  # a save that was killed
            shutil.rmtree(left_over, ignore_errors=True)

    @contextlib.contextmanager
    def saving(self, name: str, **facts: Any) -> Iterator[Path]:
        """Yields an empty folder; when the block ends well, it has become `name`, sealed.

        A block that raises, or a process that dies in it, leaves what was there before.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE_PREFIX, dir=self.folder))
        try:
            aside.chmod(0o755)
            yield aside
            manifest.seal(aside, **facts)
            self._replace(aside, self.folder / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._rotate()
        self._upload(self.folder / name)

    def steps(self) -> list[int]:
        """Returns the steps that have a checkpoint folder, finished or not, in order."""
        names = (_NAME.fullmatch(path.name) for path in self.folder.glob("checkpoint-*"))
        return sorted(int(match[1]) for match in names if match)

    def newest(self) -> Checkpoint | None:
        """Returns the newest checkpoint that verifies, or None; older ones fill in, and it says so.

        Broken ones are renamed to `broken-…`, so that none of them is ever taken or overwritten.
        The mirror is asked where the folder holds none.
        """
        found = self._newest_local()
        if found is None and self._mirror is not None and self._fetch_newest(self._mirror):
            found = self._newest_local()
        return found

    def at_step(self, step: int) -> Checkpoint:
        """Returns the checkpoint of a step.

        Raises:
            CheckpointError: There is none, or it does not verify.
        """
        folder = self.folder / f"checkpoint-{step}"
        if not folder.is_dir() and self._mirror is not None:
            self._fetch(self._mirror, folder.name)
        if not folder.is_dir():
            known = ", ".join(str(s) for s in self.steps()) or "none"
            raise CheckpointError(
                f"There is no checkpoint of step {step} in {self.folder}.",
                hint=f"Steps with one: {known}.",
            )
        return Checkpoint(step, folder, manifest.verify(folder))

    def set_aside_after(self, step: int) -> None:
        """Renames checkpoints newer than `step`, which this attempt is about to train again."""
        for newer in [s for s in self.steps() if s > step]:
            self._set_aside(self.folder / f"checkpoint-{newer}", "superseded")

    def _newest_local(self) -> Checkpoint | None:
        for step in reversed(self.steps()):
            folder = self.folder / f"checkpoint-{step}"
            try:
                return Checkpoint(step, folder, manifest.verify(folder))
            except CheckpointError as error:
                aside = self._set_aside(folder, "broken")
                self._warn(f"{error.message} It is now {aside.name}; an older one is used.")
        return None

    def _fetch_newest(self, mirror: Mirror) -> bool:
        names = [name for name in mirror.finished_folders() if _NAME.fullmatch(name)]
        for name in sorted(names, key=lambda n: int(n.rpartition("-")[2]), reverse=True):
            if self._fetch(mirror, name):
                return True
        return False

    def _fetch(self, mirror: Mirror, name: str) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE_PREFIX, dir=self.folder))
        try:
            mirror.fetch(name, aside / name)
            manifest.verify(aside / name)
            self._replace(aside / name, self.folder / name)
            LOG.info("Fetched %s from %s", name, mirror.uri)
            return True
        except CheckpointError as error:
            self._warn(f"In {mirror.uri}: {error.message} An older one is used.")
            return False
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _replace(self, new: Path, target: Path) -> None:
        old = self._set_aside(target, "replaced") if target.exists() else None
        os.rename(new, target)
        sync_folder(target.parent)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

    def _set_aside(self, folder: Path, why: str) -> Path:
        target = self.folder / f"{why}-{folder.name}"
        for number in range(1, 10_000):
            if not target.exists():
                break
            target = self.folder / f"{why}-{folder.name}-{number}"
        os.rename(folder, target)
        return target

    def _rotate(self) -> None:
        for step in self.steps()[: -self._keep]:
            name = f"checkpoint-{step}"
            # Its manifest goes first: a rotation that is cut short leaves nothing that verifies.
            (self.folder / name / File.CHECKPOINT_MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(self.folder / name, ignore_errors=True)
            with self._mirror_trouble_is_a_warning():
                if self._mirror is not None and self._mirror.exists(name):
                    self._mirror.remove(name)

    def _upload(self, folder: Path) -> None:
        if self._mirror is not None and folder.name != File.FINAL_CHECKPOINT:
            with self._mirror_trouble_is_a_warning():
                self._mirror.upload_folder(folder)
                self._mirror.upload_file(self.folder / File.METRICS)

    @contextlib.contextmanager
    def _mirror_trouble_is_a_warning(self) -> Iterator[None]:
        """Training goes on while the storage is away; the end of the run is strict about it."""
        try:
            yield
        except TenysonError as error:
            self._warn(f"A checkpoint is only in the output folder: {error.message}")

    def _warn(self, message: str) -> None:
        LOG.warning(message)
        self.warnings.append(message)
