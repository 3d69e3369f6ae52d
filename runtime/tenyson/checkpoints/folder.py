"""The output folder as one attempt changes it: by renames, so that a kill leaves no halves."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tenyson.checkpoints.layout import NO_ATTEMPT, Place, attempt_of_folder
from tenyson.contract import File
from tenyson.files import sync_folder

_ASIDE_PREFIX = ".saving-"
FETCHED_FINAL = ".fetched-final"
"""A copy from the mirror on its way to `checkpoint-final`."""
REPLACED_FINAL = "replaced-checkpoint-final"
"""The `checkpoint-final` of before, until the new one is in its place."""


class OutputFolder:
    """The checkpoints that lie in an output folder, finished or not."""

    def __init__(self, path: Path, own: Path) -> None:
        """Takes the folder, and the attempt's own within it, where it makes what it renames."""
        self.path = path
        self._own = own

    def sweep(self) -> None:
        """Removes what this attempt and older ones have left half done when they were killed."""
        own = attempt_of_folder(self._own.name) or 0
        for folder in self.path.glob("attempt-*"):
            attempt = attempt_of_folder(folder.name)
            if attempt is not None and attempt <= own:
                for left_over in self._left_overs(folder):
                    shutil.rmtree(left_over, ignore_errors=True)
        for place in self._cut_rotations(own):
            shutil.rmtree(self.path / place.name, ignore_errors=True)

    def _left_overs(self, folder: Path) -> list[Path]:
        found = [*folder.glob(f"{_ASIDE_PREFIX}*"), folder / FETCHED_FINAL]
        if (self.path / File.FINAL_CHECKPOINT).is_dir():
            found.append(folder / REPLACED_FINAL)
        return found

    def _cut_rotations(self, own: int) -> list[Place]:
        """Returns older attempts' checkpoints without a manifest, behind the newest with one."""
        places = [place for place in self.places() if NO_ATTEMPT < place.attempt <= own]
        newest = max((place for place in places if self.has_manifest(place)), default=None)
        return [
            place
            for place in places
            if newest and place < newest and place.attempt < own and not self.has_manifest(place)
        ]

    def places(self) -> list[Place]:
        """Returns where there are checkpoints, finished or not, the oldest first."""
        found = [*self.path.glob("checkpoint-*"), *self.path.glob("attempt-*/checkpoint-*")]
        places = (Place.parse(path.relative_to(self.path).as_posix()) for path in found)
        return sorted(place for place in places if place is not None)

    def has_manifest(self, place: Place) -> bool:
        """Whether the checkpoint was finished."""
        return (self.path / place.name / File.CHECKPOINT_MANIFEST).is_file()

    @contextlib.contextmanager
    def aside(self) -> Iterator[Path]:
        """Yields an empty folder of this attempt's own, gone at the end."""
        self._own.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE_PREFIX, dir=self._own))
        try:
            aside.chmod(0o755)
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def replace(self, new: Path, target: Path) -> None:
        """Renames a folder to `target`, in place of what is there."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.aside() as old:
            if target.exists():
                os.rename(target, old / target.name)
            os.rename(new, target)
        sync_folder(target.parent)

    def set_aside(self, place: Place, why: str) -> str:
        """Renames a checkpoint to `why-…`; returns what became of it, for the reader."""
        folder = self.path / place.name
        target = folder.with_name(f"{why}-{folder.name}")
        for number in range(1, 10_000):
            if not target.exists():
                break
            target = folder.with_name(f"{why}-{folder.name}-{number}")
        try:
            os.rename(folder, target)
        except FileNotFoundError:
            return "Its own attempt has just removed it; another one is used."
        return f"It is now {target.name}; another one is used."

    def remove(self, place: Place) -> None:
        """Deletes a checkpoint, its manifest first: one that is half gone verifies no more."""
        (self.path / place.name / File.CHECKPOINT_MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(self.path / place.name, ignore_errors=True)
