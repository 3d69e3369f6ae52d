"""How long the end of a run waits for a thread, while a stop may come at any moment."""

import math
import threading
import time
from collections.abc import Callable

_SLICE_SECONDS = 0.2


def join_within(
    thread: threading.Thread, seconds: float, remaining: Callable[[], float] = lambda: math.inf
) -> bool:
    """Returns whether the thread has ended; a stop that comes meanwhile shortens the wait.

    Args:
        thread: What to wait for.
        seconds: The longest wait.
        remaining: Seconds until a stop's deadline, infinite before one; half of them may be taken,
            since others have to end, too.
    """
    until = time.monotonic() + seconds
    while thread.is_alive():
        now = time.monotonic()
        until = min(until, now + max(_SLICE_SECONDS, remaining() / 2))
        if now >= until:
            break
        thread.join(min(until - now, _SLICE_SECONDS))
    return not thread.is_alive()
