"""What a log line carries, and how often one is written."""

import time
from collections.abc import Callable
from typing import Any

from tenyson.controller.names import Key


class Seldom:
    """Says when a line may be written again: once in a while for each subject.

    Subjects must be few: verbs, resources, kinds; never the names of objects.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[str, float] = {}

    def is_due(self, subject: str) -> bool:
        """Whether the line is to be written now; if so, it counts as written."""
        now = self._clock()
        if now - self._last.get(subject, float("-inf")) < self._seconds:
            return False
        self._last[subject] = now
        return True


def about(key: Key, **more: Any) -> dict[str, Any]:
    """Returns the fields of a log line about a job, for `extra`; empty ones are left out."""
    told = {name: value for name, value in more.items() if value not in (None, "", "-")}
    return {"job": f"{key[0]}/{key[1]}", **told}
