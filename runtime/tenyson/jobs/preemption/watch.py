"""Two threads of a runner: one looks for notices, one sees a stop through to its deadline."""

import logging
import threading
import time
from collections.abc import Callable

from tenyson.jobs.preemption.notices import Source
from tenyson.jobs.stop import StopRequest

LOG = logging.getLogger("tenyson.jobs")
POLL_SECONDS = 0.1


class StopWatch:
    """Interrupts the main thread where a stop may, and ends the process at the deadline.

    A signal interrupts by itself, but only at the moment it comes. What was to be finished then
    may turn out too slow; and a thread that took a cloud's notice cannot interrupt another.
    """

    def __init__(
        self,
        stop: StopRequest,
        *,
        nudge: Callable[[], None],
        last_call: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes what to do.

        Args:
            stop: The request, which may never be made.
            nudge: Makes the main thread call `stop.interrupt`.
            last_call: Leaves a result and ends the process.
            clock: That of the request's deadline.
        """
        self._stop = stop
        self._nudge = nudge
        self._last_call = last_call
        self._clock = clock
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tenyson-stop", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread: the process is about to end by itself."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.wait(POLL_SECONDS):
            if not self._stop.is_made:
                continue
            if self._stop.is_interruption_due():
                self._nudge()
            if self._clock() >= self._stop.deadline:
                self._last_call()
                return


class NoticeWatch:
    """Turns a cloud's notice into a request to stop."""

    def __init__(
        self, source: Source, stop: StopRequest, *, say: Callable[[str], None] = LOG.warning
    ) -> None:
        self._source = source
        self._stop = stop
        self._say = say
        self._has_warned = self._has_complained = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tenyson-notices", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._look():
            if self._is_over.wait(self._source.every_seconds):
                return

    def _look(self) -> bool:
        """Whether a stop was asked for: there is no more to look for."""
        try:
            notice = self._source.look()
        except (OSError, ValueError, KeyError) as error:  # URLError and timeouts are OSErrors
            if not self._has_complained:
                self._say(f"Notices of a preemption cannot be read, and are tried again: {error}")
            self._has_complained = True
            return False
        if notice is None:
            return False
        if notice.is_warning:
            if not self._has_warned:
                self._say(f"{notice.text}; going on until it is taken.")
            self._has_warned = True
            return False
        self._stop.make(notice.text, seconds=notice.seconds, is_notice=True)
        self._say(f"{notice.text}: stopping in time")
        return True
