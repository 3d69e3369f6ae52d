"""trackio: into its own folder here, or to a Space or a server, as its variables say."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenyson.jobs.tracking.tracker import TrackedRun


class TrackioTracker:
    """A run of trackio; all attempts at a run of ours are one run there."""

    name = "trackio"
    url = None
    """A local run has none, and a Space's says nothing about the run."""
    how_to_send = ""

    def __init__(self, run: TrackedRun) -> None:
        """Starts the run, or goes on with it."""
        with _told_to_stderr():
            import trackio

            self._run: Any = trackio.init(
                run.project,
                name=trackio_name(run),
                group=run.group,
                config={**run.config, "tags": list(run.tags), "job_type": run.job_type},
                resume="allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    @property
    def folder(self) -> Path | None:
        """None: what lies here is where trackio's own dashboard looks for it."""
        return None

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Takes a row of numbers."""
        self._run.log(dict(numbers), step=step)

    def finish(self, summary: Mapping[str, float], exit_code: int) -> None:
        """Sends what is left to send; trackio has no place for a summary."""
        with _told_to_stderr():
            self._run.finish()


def trackio_name(run: TrackedRun) -> str:
    """Returns the run's name there, which must be its own: trackio knows runs by their names."""
    return run.run_id if run.name == run.run_id else f"{run.name}-{run.run_id}"


def _told_to_stderr() -> contextlib.AbstractContextManager[Any]:
    """Keeps what trackio prints out of standard output, which belongs to `--json`."""
    return contextlib.redirect_stdout(sys.stderr)
