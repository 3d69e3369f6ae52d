"""Waiting for a condition: what everything here does in place of a fixed sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hack.cluster.errors import ClusterError

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T | None],
    what: str,
    timeout_seconds: float = 30.0,
    poll_seconds: float = 0.05,
) -> T:
    """The first truthy answer of the condition; `what` completes "waited 30 s for …".

    Raises:
        ClusterError: the time is up.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {timeout_seconds:g} s for {what}; it did not come")
        time.sleep(poll_seconds)
