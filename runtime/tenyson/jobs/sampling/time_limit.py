"""A limit on the time that a call of foreign code may take, and what ends it there."""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


class Overrun(BaseException):
    """Raised inside a call that took too long; no `except Exception` on the way swallows it."""


def call_within(seconds: float | None, call: Callable[[], Result]) -> Result:
    """Returns what the call returns, if it does so in time.

    On the main thread the call runs there, for some libraries (a parser of answers with alarms of
    its own, a database connection) work nowhere else, and a signal interrupts it: sleeping,
    waiting for the network and regular expressions end at once, a computation in C at its end.
    Elsewhere it runs on a thread that is left behind.

    Args:
        seconds: None waits for ever.
        call: The work.

    Raises:
        Overrun: It was not done in time.
    """
    if seconds is None:
        return call()
    if threading.current_thread() is not threading.main_thread():
        return _on_a_thread(seconds, call)
    with _interrupted_after(seconds):
        return call()


@contextlib.contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raises Overrun in the main thread's block when the time is over.

    A thread sends the signal, unless code in C holds the interpreter, as a regular expression does:
    then a timer of the process's own computing time does.
    """
    is_running = True
    deadline = time.monotonic() + seconds

    def interrupt(number: int, frame: FrameType | None) -> None:
        left = deadline - time.monotonic()
        if is_running and left > 0:  # several threads use up computing time faster than one
            signal.setitimer(signal.ITIMER_VIRTUAL, left)
        elif is_running:
            raise Overrun

    def ring() -> None:
        signal.pthread_kill(main, signal.SIGVTALRM)

    main = threading.get_ident()
    # Not SIGALRM: rewards set alarms of their own.
    before = signal.signal(signal.SIGVTALRM, interrupt)
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        try:
            yield
        finally:
            is_running = False
    finally:  # apart, for the interrupt may come just before that line
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        timer.cancel()
        timer.join()  # a signal later than this would meet the handler put back
        signal.signal(signal.SIGVTALRM, before)


class LoopThread:
    """An event loop on a thread of its own, for foreign coroutines that may block it.

    All run in the one loop, so that they may share a session; whoever waits is never blocked.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run_within(
        self, seconds: float | None, make: Callable[[], Coroutine[Any, Any, Result]]
    ) -> Result:
        """Returns what the coroutine returns, if it does so in time.

        Args:
            seconds: None waits for ever.
            make: Makes the coroutine.

        Raises:
            Overrun: It was not done in time; it is cancelled, or left behind where it blocks.
        """
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=self._loop.run_forever, name="tenyson-rewards", daemon=True
            ).start()
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), self._loop))
        done, _ = await asyncio.wait([future], timeout=seconds)
        if not done:
            future.cancel()
            raise Overrun
        return future.result()


def _on_a_thread(seconds: float, call: Callable[[], Result]) -> Result:
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["value"] = call()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            outcome["error"] = error

    thread = threading.Thread(target=work, name="tenyson-time-limit", daemon=True)
    thread.start()
    thread.join(seconds)
    if "error" in outcome:
        raise outcome["error"]
    if "value" not in outcome:
        raise Overrun
    result: Result = outcome["value"]
    return result
