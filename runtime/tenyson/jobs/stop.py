"""A request to stop, and who may act on it when."""

import threading

from tenyson.errors import StoppedError


class StopRequest:
    """A request to stop: made by a signal or another thread, seen by the job at its next edge."""

    def __init__(self) -> None:
        self._made = threading.Event()
        self._is_deferred = False
        self.reason = ""
        """Who asked, `SIGTERM`; empty while nobody has."""

    @property
    def is_made(self) -> bool:
        """Whether someone asked."""
        return self._made.is_set()

    @property
    def is_deferred(self) -> bool:
        """Whether the job looks for the request itself; else whoever makes it may raise."""
        return self._is_deferred

    def make(self, reason: str) -> None:
        """Asks the job to stop; only the first reason is kept."""
        self.reason = self.reason or reason
        self._made.set()

    def check(self) -> None:
        """Raises StoppedError if a stop was asked for."""
        if self.is_made:
            raise StoppedError(f"Stopped on request ({self.reason}).")

    def wait(self, seconds: float) -> None:
        """Returns after some time, or as soon as a stop is asked for."""
        self._made.wait(seconds)

    def defer(self) -> None:
        """From now on a signal only makes the request; the job stops where it can take it."""
        self._is_deferred = True
