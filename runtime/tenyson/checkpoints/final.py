"""`checkpoint-final`: how it gets its place, with an older attempt that may wake at any moment."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from tenyson.checkpoints import manifest
from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.folder import FETCHED_FINAL, REPLACED_FINAL
from tenyson.checkpoints.layout import attempt_folder
from tenyson.checkpoints.mirror import Mirror
from tenyson.contract import File
from tenyson.errors import CheckpointError, SupersededError
from tenyson.files import sync_folder


def put_in_place(sealed: Path, fence: Fence) -> None:
    """Renames a sealed folder to `checkpoint-final`, in place of one of this attempt or an older.

    Raises:
        SupersededError: A newer attempt put its own there.
    """
    final = fence.folder / File.FINAL_CHECKPOINT
    if final.exists():
        _refuse_a_newer(final, fence)
        replaced = fence.attempt_folder / REPLACED_FINAL
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(final, replaced)
        try:
            _refuse_a_newer(replaced, fence)  # it came between the look and the rename
        except SupersededError:
            with contextlib.suppress(OSError):
                os.rename(replaced, final)
            raise
    try:
        os.rename(sealed, final)  # fails where there is one: no look can be late for that
    except OSError:
        fence.check()
        raise
    sync_folder(fence.folder)
    shutil.rmtree(fence.attempt_folder / REPLACED_FINAL, ignore_errors=True)


def find_final(fence: Fence, mirror: Mirror | None) -> tuple[Path, dict[str, Any]] | None:
    """Returns a verified `checkpoint-final` and its facts, fetched where only the mirror has it."""
    final = fence.folder / File.FINAL_CHECKPOINT
    with contextlib.suppress(CheckpointError):  # one that is broken is trained again
        if final.is_dir():
            return final, manifest.verify(final)
    if mirror is None:
        return None
    for name in _mirrored(mirror):
        with contextlib.suppress(CheckpointError):
            aside = fence.attempt_folder / FETCHED_FINAL
            shutil.rmtree(aside, ignore_errors=True)
            mirror.fetch(name, aside)
            facts = manifest.verify(aside)
            put_in_place(aside, fence)
            return final, facts
    return None


def upload_final(folder: Path, attempt: int, mirror: Mirror) -> None:
    """Copies `checkpoint-final` up below the attempt's folder, and from there to its own place."""
    own = f"{attempt_folder(attempt)}/{folder.name}"
    mirror.upload_folder(folder, own)
    mirror.copy_folder(own, folder.name)
    for older in mirror.attempts_with(folder.name):
        if older < attempt:
            mirror.remove(f"{attempt_folder(older)}/{folder.name}")


def _mirrored(mirror: Mirror) -> list[str]:
    """Returns where the mirror has one, the one in its own place first, then the newest."""
    attempts = sorted(mirror.attempts_with(File.FINAL_CHECKPOINT), reverse=True)
    names = [f"{attempt_folder(attempt)}/{File.FINAL_CHECKPOINT}" for attempt in attempts]
    manifest_file = f"{File.FINAL_CHECKPOINT}/{File.CHECKPOINT_MANIFEST}"
    return [File.FINAL_CHECKPOINT, *names] if mirror.exists(manifest_file) else names


def _refuse_a_newer(final: Path, fence: Fence) -> None:
    try:
        attempt = manifest.read(final).get("attempt")
    except CheckpointError:
        return
    if isinstance(attempt, int) and attempt > fence.attempt:
        fence.check()
        raise SupersededError(
            f"Attempt {fence.attempt} is superseded: {final.name} is of attempt {attempt}."
        )
