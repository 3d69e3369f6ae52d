"""Whether somebody else writes the statuses that this controller writes: a second one, most likely.

Two controllers of one namespace have leases of their own and know nothing of each other. What they
have in common is the status of the jobs, which nobody but a controller writes.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

import orjson

from tenyson.controller import metrics
from tenyson.controller.logs import about
from tenyson.controller.names import Key
from tenyson.controller.observed import Job, Object

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_WORDS: Final = 600.0


class Rivals:
    """Remembers each status as this leader wrote it last, and compares."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: dict[Key, tuple[str, int]] = {}
        self._said_at = float("-inf")

    def forget_all(self) -> None:
        """Forgets what was written in an earlier time of leading; others have led since."""
        self._written.clear()

    def forget(self, key: Key) -> None:
        """Forgets a job: it is gone, or a write begins whose answer may be lost."""
        self._written.pop(key, None)

    def wrote(self, key: Key, uid: str, status: Object) -> None:
        """Notes a status as the API server says that it was written."""
        self._written[key] = uid, _print_of(status)

    def look(self, job: Job) -> None:
        """Tells of a status that is another than the one written here last, once for each."""
        uid, written = self._written.get(job.key, ("", 0))
        if uid != job.uid or written == _print_of(job.status):
            return
        self.forget(job.key)
        metrics.FOREIGN_STATUS_WRITES.inc()
        if self._clock() - self._said_at < _SECONDS_BETWEEN_WORDS:
            return
        self._said_at = self._clock()
        logger.warning(
            "TenysonJob %s/%s: somebody else has written its status. Does another controller serve "
            "the namespace %s, too? `kubectl get leases -A` shows them; only one of them may. "
            "(Said every 10 minutes at most; tenyson_foreign_status_writes_total counts.)",
            *job.key, job.namespace, extra=about(job.key),
        )  # fmt: skip


def _print_of(status: Object) -> int:
    return hash(orjson.dumps(status, option=orjson.OPT_SORT_KEYS))
