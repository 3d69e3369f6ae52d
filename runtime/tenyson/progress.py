"""Progress of a run, pushed to the controller over HTTPS from a thread of its own.

The wire format is Kubeflow Trainer's (`TrainJobRuntimeStatus`), so its clients can read it too.
A push is a courtesy: nothing here ever delays or fails the training.
"""

import http.client
import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG = logging.getLogger("tenyson.progress")
CHECKPOINT_STEP = "checkpoint_step"
"""Metric that holds the step of the newest saved checkpoint."""
SHOWN_METRICS = (
    *("loss", "reward", "learning_rate", "grad_norm", "kl", "entropy", "epoch"),
    CHECKPOINT_STEP,
    *("cost", "forecast_cost", "forecast_hours"),
)
HEARTBEAT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 60.0
"""How long a push is put off at most, whatever the controller asks for."""


class NotNowError(OSError):
    """Raised when the controller does not take a push now, but will after some time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the controller asks for another try in {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int | None
    """Optimiser steps done; in an Eval job, rows. None while nobody knows: before it is loaded."""
    total_steps: int
    """0 while nobody knows: before the data is loaded, where the run is given in epochs."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    remaining_seconds: float | None = None
    """None before the first step has been timed."""
    note: str = ""
    """For a reader: what the run has cost, where there is a price."""

    @property
    def is_last(self) -> bool:
        """Whether there is nothing left to do."""
        return self.step is not None and self.step >= self.total_steps

    @property
    def percentage(self) -> int:
        """Whole percent, at most 100."""
        if not self.step or not self.total_steps:
            return 0
        return min(100, 100 * self.step // self.total_steps)


class StepClock:
    """Estimates the time left from the steps of this attempt alone."""

    def __init__(
        self, first_step: int, total_steps: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_step = first_step
        self._total_steps = total_steps
        self._now = now
        self._started = now()

    def seconds_per_step(self, step: int) -> float | None:
        """Returns the mean over this attempt; None before its first step."""
        done = step - self._first_step
        return (self._now() - self._started) / done if done > 0 else None

    def remaining_seconds(self, step: int) -> float | None:
        """Returns the time until the last step, at the pace so far; None before the first."""
        pace = self.seconds_per_step(step)
        return None if pace is None else pace * max(0, self._total_steps - step)


@dataclass(frozen=True)
class ProgressEndpoint:
    """Where progress goes."""

    url: str
    token_file: str | None = None
    """Read again for every push: a projected token is renewed in place."""
    ca_file: str | None = None
    """Certificate authority of the controller; None uses the system's."""


class ProgressPusher:
    """Sends the newest progress, at most once an interval, and the last one always.

    While nothing changes the last one is sent again now and then: a run that says nothing for long
    is cut off or dead, one that repeats itself is slow or hangs.
    """

    def __init__(
        self,
        endpoint: ProgressEndpoint,
        *,
        interval_seconds: float = 2.0,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        send: Callable[[Progress], None] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._interval_seconds = interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._send = send or self._post
        self._changed = threading.Condition()
        self._waiting: Progress | None = None
        self._closed = False
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="tenyson-progress", daemon=True)
        self._thread.start()

    def update(self, progress: Progress) -> None:
        """Takes the progress over and returns at once; an older one not sent yet is dropped."""
        with self._changed:
            self._waiting = progress
            self._changed.notify()

    def close(self, timeout_seconds: float = 6.0) -> None:
        """Sends what is waiting and ends; gives up after the timeout."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        last: Progress | None = None
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting is not None or self._closed,
                    None if last is None else self._heartbeat_seconds,
                )
                progress, self._waiting = self._waiting, None
                if progress is None and self._closed:
                    return
            last = progress or last
            put_off = self._try_to_send(last) if last is not None else None
            with self._changed:
                if put_off is None:
                    self._changed.wait_for(lambda: self._closed, self._interval_seconds)
                    continue
                if self._waiting is None and not self._closed:
                    self._waiting = last  # and it is the first to go then
                self._changed.wait_for(lambda: self._closed, put_off)

    def _try_to_send(self, progress: Progress) -> float | None:
        """Sends it; returns for how long to send nothing where the controller asks for that."""
        try:
            self._send(progress)
            self._complained = False
        except NotNowError as error:
            LOG.debug("%s", error)
            return max(error.seconds, self._interval_seconds)
        except (OSError, ValueError, http.client.HTTPException) as error:  # URLError is an OSError
            level = logging.DEBUG if self._complained else logging.WARNING
            LOG.log(level, "Progress is not getting through to the controller: %s", error)
            self._complained = True
        return None

    def _post(self, progress: Progress) -> None:
        headers = {"Content-Type": "application/json"}
        if self._endpoint.token_file:
            token = Path(self._endpoint.token_file).read_text(encoding="utf-8").strip()
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(
            self._endpoint.url, json.dumps(wire_format(progress)).encode(), headers, method="POST"
        )
        context = None
        if self._endpoint.url.startswith("https:"):
            context = ssl.create_default_context(cafile=self._endpoint.ca_file)
        try:
            with urllib.request.urlopen(request, timeout=5, context=context):
                pass
        except urllib.error.HTTPError as error:
            with error:
                seconds = error.headers.get("Retry-After", "")
            if error.code == 429 and seconds.isdecimal():
                raise NotNowError(min(float(seconds), LONGEST_WAIT_SECONDS)) from error
            raise


def wire_format(progress: Progress) -> dict[str, Any]:
    """Returns the body of a push, as Kubeflow Trainer defines it."""
    metrics: dict[str, float] = {}
    if progress.step is not None:
        metrics["step"] = progress.step
    if progress.total_steps:
        metrics["total_steps"] = progress.total_steps
    metrics |= {n: progress.metrics[n] for n in SHOWN_METRICS if n in progress.metrics}
    status: dict[str, Any] = {
        "lastUpdatedTime": datetime.now(UTC).isoformat(),
        "progressPercentage": progress.percentage,
        "metrics": [{"name": name, "value": str(value)} for name, value in metrics.items()],
    }
    if progress.remaining_seconds is not None:
        status["estimatedRemainingSeconds"] = max(0, int(progress.remaining_seconds))
    return {"trainerStatus": status}
