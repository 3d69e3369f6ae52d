"""Who is told what becomes of a run's checkpoints."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tenyson.errors import SupersededError


class Watcher:
    """Is told what becomes of checkpoints, by the training's thread and by that of the uploads."""

    def saved(self, folder: Path, seconds: float) -> None:
        """Takes a checkpoint that is in its place, and what saving it took."""

    def failed(self, name: str, error: Exception) -> None:
        """Takes one that could not be saved; the error goes on its way."""

    def uploaded(self, folder: Path, uri: str) -> None:
        """Takes one whose copy is in the mirror."""

    def warned(self, message: str) -> None:
        """Takes what a person should know: a broken one passed over, an upload that failed."""


@contextmanager
def watched(watcher: Watcher, name: str) -> Iterator[Callable[[Path], None]]:
    """Yields what to call with the saved folder; an error in the block is told, too."""
    began = time.perf_counter()
    try:
        yield lambda folder: watcher.saved(folder, time.perf_counter() - began)
    except SupersededError:
        raise
    except Exception as error:
        watcher.failed(name, error)
        raise
