"""One attempt at a run, as the parts of a job share it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenyson.checkpoints.mirror import Mirror
from tenyson.config import JobConfig
from tenyson.contract import JobType
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.progress import Progress, ProgressPusher
from tenyson.progress_line import ProgressLine


@dataclass
class RunContext:
    """What an attempt knows; `result` fills up on the way and is what the job returns."""

    job_type: JobType
    config: JobConfig
    task: Any
    output_dir: Path
    options: RunOptions
    result: JobResult
    mirror: Mirror | None = None
    plain_config: dict[str, Any] = field(default_factory=dict)
    """The configuration as hooks get it: resolved, a plain mapping."""

    @property
    def adapter_source(self) -> str | None:
        """Folder or URI of the adapter to start from; None for a new one, or the base model."""
        return self.options.adapter_path or self.config.adapter.path

    @property
    def telemetry_db_url(self) -> str | None:
        """Where telemetry goes; None writes none."""
        return self.config.telemetry.db_url or self.options.telemetry_db_url

    def warn(self, message: str) -> None:
        """Keeps a warning for the reader of the result."""
        if message not in self.result.warnings:
            self.result.warnings.append(message)


class Reporter:
    """Progress of a run, for its reader and for the controller."""

    def __init__(self, context: RunContext, unit: str = "step") -> None:
        label = {JobType.SFT: "SFT", JobType.RL: "RL", JobType.EVAL: "Eval"}[context.job_type]
        self._line = ProgressLine(label, unit)
        endpoint = context.options.progress
        self._pusher = ProgressPusher(endpoint) if endpoint else None

    def update(self, progress: Progress) -> None:
        """Shows and pushes the progress; never waits for the network."""
        self._line.update(progress)
        if self._pusher:
            self._pusher.update(progress)

    def close(self) -> None:
        """Ends the line and sends the last progress."""
        self._line.close()
        if self._pusher:
            self._pusher.close()
