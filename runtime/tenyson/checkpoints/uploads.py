"""Uploads beside the training: one at a time, on a thread of their own, the newest one first."""

import threading
import time
from collections.abc import Callable
from pathlib import Path


class Uploads:
    """Carries folders up while the trainer goes on.

    Where a folder is still waiting when the next one comes, the next one takes its place: storage
    that is slower than the saving must not fall further and further behind.
    """

    def __init__(self, upload: Callable[[Path], None]) -> None:
        """Takes what carries a folder up; it sees to its own errors."""
        self._upload = upload
        self._changed = threading.Condition()
        self._waiting: Path | None = None
        self._running: Path | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def put(self, folder: Path) -> None:
        """Asks for a sealed folder to be carried up; returns at once."""
        with self._changed:
            if self._is_closed:
                return
            self._waiting = folder
            if self._thread is None:
                # A daemon: storage that hangs must not keep a process that is to end.
                self._thread = threading.Thread(
                    target=self._run, name="tenyson-uploads", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def holds(self, folder: Path) -> bool:
        """Whether the folder is still needed for an upload."""
        with self._changed:
            return folder in (self._waiting, self._running)

    def pending(self) -> list[Path]:
        """Returns what is not up yet, the one under way first."""
        with self._changed:
            return [folder for folder in (self._running, self._waiting) if folder is not None]

    def wait(self, seconds: float | None) -> bool:
        """Whether everything is up within some time; None waits as long as it takes."""
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while self._waiting is not None or self._running is not None:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Drops what has not begun, and takes nothing more; what is under way may end."""
        with self._changed:
            self._is_closed = True
            self._waiting = None
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._is_closed:
                    self._changed.wait()
                if self._waiting is None:
                    return
                self._running, self._waiting = self._waiting, None
            try:
                self._upload(self._running)
            finally:
                with self._changed:
                    self._running = None
                    self._changed.notify_all()
