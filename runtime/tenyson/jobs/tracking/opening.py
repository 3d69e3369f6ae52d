"""Which trackers a run has, and how they start."""

import importlib.util
import logging
from collections.abc import Callable, Sequence

from tenyson.errors import ConfigError, Problem
from tenyson.jobs.tracking.tracker import TrackedRun, Tracker, first_line

LOG = logging.getLogger("tenyson.jobs")


def require_libraries(report_to: Sequence[str]) -> None:
    """Refuses a tracker whose library is not installed.

    Raises:
        ConfigError: Names the extra that brings it.
    """
    missing = [name for name in report_to if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            [Problem("telemetry.report_to", f"{name} is not installed") for name in missing],
            hint=f"Install tenyson[{','.join(missing)}], or leave it out of telemetry.report_to.",
        )


def open_trackers(
    report_to: Sequence[str], run: TrackedRun, warn: Callable[[str], None]
) -> list[Tracker]:
    """Returns the trackers, started; one that does not start is left out with a warning.

    Args:
        report_to: As `telemetry.report_to` has it; the libraries are there.
        run: What they are told.
        warn: Keeps a warning for the reader of the result.
    """
    started = []
    for name in report_to:
        try:
            started.append(_start(name, run))
        except Exception as error:  # noqa: BLE001 - no tracker ends a run, whatever it meets
            said = (
                f"{name} did not start and is told nothing of this run: {first_line(error)}. "
                "See to its key and its server, or set its mode to offline."
            )
            LOG.warning("%s", said)
            warn(said)
    return started


def _start(name: str, run: TrackedRun) -> Tracker:
    if name == "wandb":
        from tenyson.jobs.tracking.wandb_tracker import WandbTracker

        return WandbTracker(run)
    from tenyson.jobs.tracking.trackio_tracker import TrackioTracker

    return TrackioTracker(run)
