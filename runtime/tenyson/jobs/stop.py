"""A request to stop: who made it, until when the run must be over, and who may act on it when.

A signal's handler may come at any moment of the main thread, also while that holds a lock. So
nothing here takes one.
"""

import math
import time
from collections.abc import Callable

from tenyson.errors import StoppedError

DEFAULT_GRACE_SECONDS = 25.0
"""Where nobody says how long a process has: Kubernetes gives 30 s, Docker 10 s."""
REPEAT_SECONDS = 2.0
"""An interruption that some library has swallowed is raised again after this time."""
_POLL_SECONDS = 0.05


class Interruption(BaseException):
    """Raised in the middle of work that a stop drops; no `except Exception` on its way takes it."""


class StopRequest:
    """A request to stop: made by a signal or another thread, seen by the job where it can."""

    def __init__(
        self,
        *,
        grace_seconds: float = DEFAULT_GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.grace_seconds = grace_seconds
        """Time between a request that names none itself and the kill."""
        self.reason = ""
        """Who asked, `SIGTERM`; empty while nobody has."""
        self._clock = clock
        self.is_notice = False
        """Whether a cloud gave notice: the machine goes away, whatever becomes of the run."""
        self.asked_at: float | None = None
        """When the first request came, in seconds since 1970; None while nobody has asked."""
        self.seconds_given: float | None = None
        """Until the kill, as the first request had it; None where none was coming."""
        self._is_made = False
        self._deadline = math.inf
        self._may_interrupt: Callable[[], bool] = _always
        self._interrupted_at = -math.inf

    @property
    def is_made(self) -> bool:
        """Whether someone asked."""
        return self._is_made

    @property
    def deadline(self) -> float:
        """When the run must be over, by the monotonic clock; infinite where no kill is coming.

        It lies before the kill, by what leaving a result and ending the process take.
        """
        return self._deadline

    @property
    def remaining_seconds(self) -> float:
        """Time until the deadline; infinite before a request, and after one without a kill."""
        return self._deadline - self._clock()

    def make(self, reason: str, *, seconds: float | None = None, is_notice: bool = False) -> None:
        """Asks the job to stop; of several requests the first reason and nearest deadline count.

        Args:
            reason: Who asks, for the reader of the result.
            seconds: Until the kill; infinite where none is coming, None for `grace_seconds`.
            is_notice: Whether it is a cloud's notice.
        """
        given = self.grace_seconds if seconds is None else seconds
        if not self._is_made:
            self._note(given)
        self.is_notice = self.is_notice or is_notice
        deadline = self._clock() + given - reserve_of(given)
        self._deadline = min(self._deadline, deadline)
        self.reason = self.reason or reason
        self._is_made = True

    def join(self, reason: str, remaining_seconds: float) -> None:
        """Takes over another rank's request; one of its own keeps its reason.

        Args:
            reason: Of this rank, where it was not asked itself.
            remaining_seconds: Until the other's deadline, what it keeps in reserve taken off.
        """
        if not self._is_made:
            self._note(remaining_seconds)
        self._deadline = min(self._deadline, self._clock() + remaining_seconds)
        self.reason = self.reason or reason
        self._is_made = True

    def _note(self, given: float) -> None:
        self.asked_at = time.time()
        self.seconds_given = given if given < math.inf else None

    def check(self) -> None:
        """Raises StoppedError if a stop was asked for."""
        if self._is_made:
            raise StoppedError(f"Stopped on request ({self.reason}).")

    def wait(self, seconds: float) -> None:
        """Returns after some time, or as soon as a stop is asked for."""
        until = self._clock() + seconds
        while not self._is_made and (left := until - self._clock()) > 0:
            time.sleep(min(left, _POLL_SECONDS))

    def defer(self) -> None:
        """From now on nothing is interrupted; the job stops where it looks for the request."""
        self._may_interrupt = _never

    def allow_interruption(self, may: Callable[[], bool] | None = None) -> None:
        """From now on the main thread may be interrupted: nothing it does now must be finished.

        Args:
            may: Asked each time whether it may just now; None for always, until `defer`.
        """
        self._may_interrupt = may or _always

    def is_interruption_due(self) -> bool:
        """Whether what the main thread does now is to be cut short."""
        is_first = self._clock() - self._interrupted_at > REPEAT_SECONDS
        return self._is_made and is_first and self._may_interrupt()

    def interrupt(self) -> None:
        """Raises Interruption if one is due; to be called on the main thread alone."""
        if self.is_interruption_due():
            self._interrupted_at = self._clock()
            raise Interruption(self.reason)


def reserve_of(grace_seconds: float) -> float:
    """Returns what of a grace period is kept for the result and the process's end."""
    return min(2.0, 0.1 * grace_seconds) if grace_seconds < math.inf else 0.0


def _always() -> bool:
    return True


def _never() -> bool:
    return False
