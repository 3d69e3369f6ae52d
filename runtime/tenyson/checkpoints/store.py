"""The checkpoints of a run: saved aside and renamed, rotated, mirrored, found again verified.

`fence` says why each write asks first, and `layout` where things lie.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenyson.checkpoints import manifest, rotation
from tenyson.checkpoints.disk_full import disk_full_is_said
from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.final import put_in_place
from tenyson.checkpoints.folder import OutputFolder
from tenyson.checkpoints.layout import Checkpoint, Place
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.uploads import Uploads
from tenyson.checkpoints.verified import verified
from tenyson.checkpoints.watcher import Watcher, watched
from tenyson.contract import File
from tenyson.errors import CheckpointError, SupersededError, TenysonError

LOG = logging.getLogger("tenyson.checkpoints")


class CheckpointStore:
    """The checkpoints in an output folder and, where there is one, in its mirror."""

    def __init__(
        self,
        fence: Fence,
        *,
        keep: int,
        mirror: Mirror | None = None,
        pinned_step: int | None = None,
    ) -> None:
        """Takes an attempt's fence.

        Args:
            fence: Of an attempt that has claimed the output folder.
            keep: Verified checkpoints kept over all attempts, the newest ones.
            mirror: Copies go there.
            pinned_step: Checkpoints of this step are kept whatever their age.
        """
        self.folder = fence.folder
        self.warnings: list[str] = []
        """What a reader of the result should know: fallbacks, uploads that failed."""
        self._fence = fence
        self._own = fence.attempt_folder
        self._keep = keep
        self._mirror = mirror
        self._pinned_step = pinned_step
        self.keep_before: int | None = None
        """The newest checkpoint before this step is kept whatever its age: later ones may turn
        out to be bad."""
        self._is_verified = rotation.Verified()
        self.watcher = Watcher()
        """Is told of what is saved and uploaded, and of trouble."""
        self._uploads = Uploads(self._carry_up)
        self._superseded: SupersededError | None = None
        self._files = OutputFolder(fence.folder, fence.attempt_folder)
        self._files.sweep()

    @contextlib.contextmanager
    def saving(self, name: str, **facts: Any) -> Iterator[Path]:
        """Yields an empty folder; when the block ends well, it has become `name`, sealed.

        `checkpoint-final` comes to lie in the output folder, others in the attempt's own. A block
        that raises, or a process that dies in it, leaves what was there before. The copy for the
        mirror goes up after it, beside the training.

        Raises:
            SupersededError: A newer attempt has started; nothing of this one is left.
            DependencyError: The disk is full.
        """
        self._check()
        with (
            watched(self.watcher, name) as tell,
            self._files.aside() as aside,
            disk_full_is_said(name, aside, self._finished),
        ):
            try:
                yield aside
            except Exception:
                self._check()  # a newer attempt has swept the folder away
                raise
            manifest.seal(aside, **facts)
            self._check()
            if name == File.FINAL_CHECKPOINT:
                put_in_place(aside, self._fence)
                tell(self.folder / name)
                return  # goes up with the results, and counts for no rotation
            self._files.replace(aside, self._own / name)
            self._is_verified.note(self._own / name)
            tell(self._own / name)
        if self._mirror is not None:
            self._uploads.put(self._own / name)
        self._rotate()

    def finish_uploads(self, seconds: float | None = None) -> None:
        """Returns when every copy is in the mirror, or time is up, which becomes a warning.

        Args:
            seconds: How long to wait; None waits for as long as it takes.

        Raises:
            SupersededError: An upload found that a newer attempt has started.
        """
        if not self._uploads.wait(seconds):
            names = " and ".join(folder.name for folder in self._uploads.pending())
            self._warn(
                f"{names} is only in the output folder: there was no time left for its upload."
            )
        self._uploads.close()
        if self._superseded is not None:
            raise self._superseded

    def drop_uploads(self) -> None:
        """Begins no further upload: none is wanted any more."""
        self._uploads.close()

    def places(self) -> list[Place]:
        """Returns where the folder has checkpoints, finished or not, the oldest first."""
        return self._files.places()

    def finished_steps(self, *, before: int | None = None, is_own: bool = False) -> list[int]:
        """Returns the steps of what `newest` would look at, the newest first, by names alone.

        Nothing is verified or fetched, and checkpoints that were never finished do not count.

        Raises:
            DependencyError: The mirror cannot be reached.
            CredentialsError: The mirror refuses the credentials.
        """
        finished = {*self._finished(), *self._mirrored()}
        return [
            place.step for place in self._wanted(sorted(finished, reverse=True), before, is_own)
        ]

    def newest(self, *, before: int | None = None, is_own: bool = False) -> Checkpoint | None:
        """Returns the newest checkpoint that verifies, or None; older ones fill in, and it says so.

        Folder and mirror count alike. Broken ones in the folder are renamed to `broken-…`, so that
        none of them is ever taken or overwritten.

        Args:
            before: Only those of earlier steps count; None counts all.
            is_own: Whether only this attempt's count.
        """
        wanted = self._wanted(self._all_places(), before, is_own)
        return next(verified(wanted, self._files, self._mirror, self._warn), None)

    def at_step(self, step: int) -> Checkpoint:
        """Returns the newest attempt's checkpoint of a step.

        Raises:
            CheckpointError: There is none that verifies.
        """
        places = self._all_places()
        wanted = [place for place in places if place.step == step]
        found = next(verified(wanted, self._files, self._mirror, self._warn), None)
        if found is None:
            known = ", ".join(str(s) for s in sorted({p.step for p in places})) or "none"
            raise CheckpointError(
                f"There is no checkpoint of step {step} in {self.folder} that verifies.",
                hint=f"Steps with a checkpoint: {known}.",
            )
        return found

    def set_aside_after(self, step: int, *, of_all_attempts: bool = False) -> None:
        """Renames this attempt's own checkpoints newer than `step`, which it trains again.

        There are some where an attempt is started twice under one number, or goes back. After a
        rollback those of all attempts are set aside, and the mirror's copies removed: the next
        attempt must find none of them. No upload is under way then (`outcome.uploading`).
        """
        for place in self.places():
            is_ours = of_all_attempts or place.attempt == self._fence.attempt
            if is_ours and place.step > step:
                self._files.set_aside(place, "superseded")
        if of_all_attempts and self._mirror is not None:
            with self._mirror_trouble_is_a_warning():
                for place in self._mirrored():
                    if place.step > step:
                        self._mirror.remove(place.name)

    def _wanted(self, places: list[Place], before: int | None, is_own: bool) -> list[Place]:
        return [
            place
            for place in places
            if (before is None or place.step < before)
            and (not is_own or place.attempt == self._fence.attempt)
        ]

    def _all_places(self) -> list[Place]:
        """Returns the places in the folder and those in the mirror, the newest first."""
        places = set(self.places())
        try:
            places |= set(self._mirrored())
        except TenysonError as error:
            if not places:
                raise
            self._warn(f"Only the output folder was looked through: {error.message}")
        return sorted(places, reverse=True)

    def _mirrored(self) -> list[Place]:
        names = self._mirror.finished_folders() if self._mirror is not None else []
        return [place for name in names if (place := Place.parse(name)) is not None]

    def _check(self) -> None:
        if self._superseded is not None:
            raise self._superseded
        self._fence.check()

    def _finished(self) -> list[Place]:
        return [place for place in self.places() if self._files.has_manifest(place)]

    def _rotate(self) -> None:
        ours = rotation.up_to_attempt(self._fence.attempt, self._finished())
        old = rotation.surplus(
            ours, self.folder, self._keep, self._is_verified, pinned_step=self._pinned_step
        )
        for place in rotation.spare_last_good(old, ours, self.keep_before):
            if self._uploads.holds(self.folder / place.name):
                continue  # the next rotation finds it
            self._fence.check()
            self._files.remove(place)

    def _carry_up(self, folder: Path) -> None:
        """Copies a checkpoint to the mirror and rotates there; on the uploads' thread."""
        assert self._mirror is not None
        try:
            with self._mirror_trouble_is_a_warning():
                name = folder.relative_to(self.folder).as_posix()
                self._mirror.upload_folder(folder, name)
                self.watcher.uploaded(folder, f"{self._mirror.uri}/{name}")
                for file in (File.METRICS, File.USAGE):
                    self._mirror.upload_file(self.folder / file)
                mirrored = rotation.up_to_attempt(self._fence.attempt, self._mirrored())
                old = rotation.surplus_in_mirror(
                    mirrored, self._keep, pinned_step=self._pinned_step
                )
                for place in rotation.spare_last_good(old, mirrored, self.keep_before):
                    self._mirror.remove(place.name)
        except SupersededError as error:
            self._superseded = error  # raised where the trainer saves next, or ends
            self._uploads.close()

    @contextlib.contextmanager
    def _mirror_trouble_is_a_warning(self) -> Iterator[None]:
        """Training goes on while the storage is away; the end of the run is strict about it."""
        try:
            yield
        except SupersededError:
            raise
        except (TenysonError, OSError) as error:
            reason = error.message if isinstance(error, TenysonError) else error
            self._warn(f"A checkpoint is only in the output folder: {reason}")

    def _warn(self, message: str) -> None:
        LOG.warning(message)
        self.warnings.append(message)
        self.watcher.warned(message)
