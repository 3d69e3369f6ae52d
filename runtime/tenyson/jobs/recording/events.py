"""What happens on the way of an attempt, told to its telemetry."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tenyson.telemetry import Telemetry
from tenyson.telemetry.event_rows import Kind, Level, event_row


class Events:
    """Puts events into the database; called from any thread, waits for nothing."""

    def __init__(self, telemetry: Telemetry, current_step: Callable[[], int]) -> None:
        """Takes where rows go, and what tells the step of an event that names none."""
        self._telemetry = telemetry
        self._current_step = current_step
        self._told: Counter[tuple[int, str, str]] = Counter()
        self._lock = threading.Lock()

    def tell(
        self,
        kind: Kind,
        name: str,
        message: str,
        *,
        level: Level = "info",
        step: int | None = None,
        at: datetime | None = None,
        **details: Any,
    ) -> None:
        """Takes an event; see `event_row`."""
        if not self._telemetry.enabled:
            return
        step = self._current_step() if step is None else step
        with self._lock:
            number = self._told[step, kind, name]
            self._told[step, kind, name] += 1
        row = event_row(
            self._telemetry.run,
            step,
            kind,
            name,
            message,
            level=level,
            number=number,
            at=at,
            details=details,
        )
        self._telemetry.record([row])
