"""Trackers: W&B and the like, told of a run beside its own telemetry, and never trusted with it."""

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tenyson.telemetry.patience import join_within

LOG = logging.getLogger("tenyson.jobs")


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run at its start."""

    run_id: str
    job_type: str
    project: str
    name: str
    folder: Path
    """For what the tracker writes itself."""
    group: str | None = None
    tags: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    """Resolved, without secrets."""


class Tracker(Protocol):
    """One tracker's run; any call may raise whatever its library does."""

    @property
    def name(self) -> str:
        """As `telemetry.report_to` has it."""

    @property
    def url(self) -> str | None:
        """Where a person looks at the run; None where that is not known."""

    @property
    def folder(self) -> Path | None:
        """Where an offline run waits to be sent; None for one that is not offline."""

    @property
    def how_to_send(self) -> str:
        """The command that sends an offline run."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Takes numbers under the names that `names_of` gives them."""

    def finish(self, summary: Mapping[str, float], exit_code: int) -> None:
        """Takes the metrics of the whole, and sends what is left to send."""


class Trackers:
    """The trackers of a run; one that fails is left out from there on, and it is said once."""

    def __init__(
        self, trackers: Sequence[Tracker] = (), warn: Callable[[str], None] = lambda said: None
    ) -> None:
        """Takes trackers that have started, and what keeps a warning for the result's reader."""
        self._trackers = list(trackers)
        self._warn = warn

    def add(self, trackers: Sequence[Tracker]) -> None:
        """Takes further trackers that have started."""
        self._trackers += trackers

    def log(self, step: int, row: Mapping[str, float]) -> None:
        """Passes on a row of numbers, by the trainer's names."""
        if self._trackers:
            numbers = names_of(row)
            self._each(lambda tracker: tracker.log(step, numbers))

    def finish(
        self,
        metrics: Mapping[str, float],
        exit_code: int,
        seconds: float,
        remaining: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """Ends all runs; one that is not done in time is left to itself.

        Args:
            metrics: Of the whole.
            exit_code: Of the process.
            seconds: How long to wait.
            remaining: Seconds that a stop leaves the process, which may come while it waits.
        """
        if not self._trackers:
            return
        ending = threading.Thread(
            target=lambda: self._each(lambda tracker: tracker.finish(metrics, exit_code)),
            name="tenyson-trackers",
            daemon=True,
        )
        ending.start()
        if not join_within(ending, seconds, remaining):
            self._warn(f"There was no time to send all of it to {self.names}.")

    @property
    def names(self) -> str:
        """The trackers that are still told, for a sentence."""
        return " and ".join(tracker.name for tracker in self._trackers)

    @property
    def url(self) -> str | None:
        """Where the first of them that says so shows the run."""
        return next((tracker.url for tracker in self._trackers if tracker.url), None)

    @property
    def offline(self) -> list[Tracker]:
        """Those whose runs wait here to be sent."""
        return [tracker for tracker in self._trackers if tracker.folder is not None]

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                act(tracker)
            except Exception as error:  # noqa: BLE001 - no tracker ends a run, whatever it meets
                self._trackers.remove(tracker)
                said = (
                    f"{tracker.name} failed and is told nothing more: {first_line(error)}. The "
                    "run goes on; metrics.jsonl has every row."
                )
                LOG.warning("%s", said)
                self._warn(said)


def names_of(row: Mapping[str, float]) -> dict[str, float]:
    """Returns the numbers as transformers names them for trackers: `train/loss`, `eval/loss`."""
    return {
        f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": value
        for name, value in row.items()
    }


def first_line(error: BaseException) -> str:
    """Returns an error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
