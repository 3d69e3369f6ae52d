"""How a runner's process is asked to stop: its signals, its cloud's notice, and its deadline."""

import math
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from tenyson.distributed.place import RankPlace
from tenyson.jobs.preemption.grace import grace_seconds
from tenyson.jobs.preemption.notices import source_of
from tenyson.jobs.preemption.watch import NoticeWatch, StopWatch
from tenyson.jobs.stop import StopRequest
from tenyson.termination import say_at_once

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Stopping:
    """Turns what asks a process to stop into one request."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._watches: list[StopWatch | NoticeWatch] = []

    def listen(self) -> None:
        """Makes SIGTERM, SIGUSR1 and SIGINT the request.

        A first SIGINT is a person's, and sets no deadline: no kill comes after it. A second one
        says that it takes too long, and a third interrupts.
        """
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def watch(self, places: Sequence[RankPlace], *, last_call: Callable[[], None]) -> None:
        """Starts the threads that look for a notice, and that see a request through.

        Args:
            places: The ranks that this process is, or is to start.
            last_call: Leaves a result and ends the process; called at the deadline.

        Raises:
            ConfigError: The environment's settings of either make no sense.
        """
        self._stop.grace_seconds = grace_seconds(None, os.environ)
        source = source_of(os.environ)
        if len(places) == 1:  # ranks that are started from here look after themselves
            if source:
                self._watches.append(NoticeWatch(source, self._stop))
            self._watches.append(StopWatch(self._stop, nudge=_nudge, last_call=last_call))
        for watch in self._watches:
            watch.start()

    def signal_for_ranks(self) -> signal.Signals | None:
        """Returns how to pass the request on; None before one, SIGINT where no kill is coming."""
        if not self._stop.is_made:
            return None
        return signal.SIGINT if self._stop.remaining_seconds == math.inf else signal.SIGTERM

    def close(self) -> None:
        """Ends the threads, and lets no signal cut short what is left: it takes no time."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for watch in self._watches:
            watch.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        stop, name = self._stop, signal.Signals(number).name
        is_news = not stop.is_made
        if number == signal.SIGINT:
            is_news = True
            stop.make(name, seconds=None if stop.is_made else math.inf)
            if stop.remaining_seconds < math.inf:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        elif is_news or number == signal.SIGTERM:  # a further SIGUSR1 is a nudge
            stop.make(name)
        if is_news:
            left = stop.remaining_seconds
            say_at_once(f"\n{name}: stopping{f' within {left:.0f} s' if left < math.inf else ''}\n")
        stop.interrupt()


def _nudge() -> None:
    """Makes the main thread look whether it is to drop what it does."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
