"""One attempt at a run, as the parts of a job share it."""

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.store import CheckpointStore
from tenyson.config import JobConfig
from tenyson.config.budget import BudgetConfig
from tenyson.contract import JobType
from tenyson.datasets.loading import NamedDataset
from tenyson.distributed.ranks import Ranks
from tenyson.jobs.limits.meter import Meter
from tenyson.jobs.measuring.tokens import TokenCounts
from tenyson.jobs.options import RunOptions
from tenyson.jobs.recording.record import Record
from tenyson.jobs.result import JobResult
from tenyson.jobs.sampling.engines import Choice
from tenyson.jobs.training.amendments import Amendments
from tenyson.jobs.training.going_back import GoBack, expected_start
from tenyson.phases import Phases
from tenyson.progress import CHECKPOINT_STEP, Progress, ProgressEndpoint, ProgressPusher
from tenyson.progress_bar import progress_display

if TYPE_CHECKING:
    from tenyson.telemetry.event_rows import Kind


@dataclass
class RunContext:
    """What an attempt knows; `result` fills up on the way and is what the job returns."""

    job_type: JobType
    config: JobConfig
    task: Any
    output_dir: Path
    """Rank 0's is the run's; another rank has one of its own, gone when it ends."""
    options: RunOptions
    result: JobResult
    fence: Fence
    """To be asked before every write to the output folder."""
    reporter: "Reporter"
    mirror: Mirror | None = None
    ranks: Ranks = field(default_factory=Ranks)
    """The processes that train together, this one among them."""
    plain_config: dict[str, Any] = field(default_factory=dict)
    """The configuration as hooks get it: resolved, a plain mapping."""
    engine: Choice | None = None
    """What samples or generates, once it is chosen; None in SFT."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What parts of the job found out and the manifest is to say, each under a name of its own."""
    amendments: Amendments = field(default_factory=Amendments)
    """What the run has changed of its configuration; `config` has it applied."""
    go_back: GoBack | None = None
    """Where the attempt starts from after it has trained before; None at its first start."""
    meter: Meter = field(default_factory=lambda: Meter(BudgetConfig()))
    """What the run has used of its budget."""
    named_dataset: NamedDataset | None = None
    """What `data.dataset` names, verified; None before it was looked for, and where it is none."""
    budget_spent: str | None = None
    """Which limit ended the training; None while there is room."""

    phases: Phases = field(default_factory=Phases)
    """Where the attempt's time goes; `with context.phases.measure("save")`."""
    tokens: TokenCounts = field(default_factory=TokenCounts)
    record: Record = field(default_factory=Record)
    """Where the attempt tells of itself: the database, trackers; nowhere by default."""

    @property
    def adapter_source(self) -> str | None:
        """Folder or URI of the adapter to start from; None for a new one, or the base model."""
        return self.options.adapter_path or self.config.adapter.path

    @property
    def telemetry_db_url(self) -> str | None:
        """Where telemetry goes; None writes none."""
        return self.config.telemetry.db_url or self.options.telemetry_db_url

    def warn(
        self, message: str, *, kind: "Kind" = "warning", name: str = "warning", **details: Any
    ) -> None:
        """Keeps a warning for the reader of the result, and tells the record of it as an event."""
        if message not in self.result.warnings:
            self.result.warnings.append(message)
            self.record.tell(kind, name, message, level="warning", **details)

    def note(self, message: str) -> None:
        """Keeps a warning that the record has been told of already."""
        if message not in self.result.warnings:
            self.result.warnings.append(message)


def checkpoint_store(context: RunContext) -> CheckpointStore:
    """Returns the checkpoints of a run, for the attempt that the context is of."""
    checkpoint = context.config.checkpoint
    return CheckpointStore(
        context.fence,
        keep=checkpoint.keep,
        mirror=context.mirror,
        # Each attempt goes back there.
        pinned_step=checkpoint.resume if isinstance(checkpoint.resume, int) else None,
    )


def announce_start(context: RunContext) -> None:
    """Tells the controller where the attempt will start, before anything heavy is loaded."""
    if context.job_type is JobType.EVAL:  # which answers it goes on from, its model's weights tell
        context.reporter.announce(Progress(None, 0))
        return
    step = expect_start(context)
    metrics = {CHECKPOINT_STEP: step} if step else {}
    context.reporter.announce(Progress(step, context.config.training.max_steps or 0, metrics))


def expect_start(context: RunContext) -> int | None:
    """Returns where the training will start, None if that is not known, and notes it.

    An attempt that is stopped while it loads then says where the next one goes on.
    """
    if context.ranks.is_main:  # the checkpoints lie in its folder
        resume = context.config.checkpoint.resume
        context.result.global_step = expected_start(
            checkpoint_store(context), resume, context.go_back
        )
    return context.result.global_step


class Reporter:
    """Progress of a run, for its reader and for the controller."""

    def __init__(
        self,
        job_type: JobType,
        endpoint: ProgressEndpoint | None,
        *,
        is_quiet: bool = False,
        meter: Meter | None = None,
    ) -> None:
        """Takes where progress is pushed; quiet, as ranks other than 0 are, it goes nowhere.

        Args:
            job_type: Kind of the job.
            endpoint: The controller's; None pushes nowhere.
            is_quiet: Whether nothing is shown or pushed.
            meter: Adds what the run has cost and will; None adds nothing.
        """
        label = {JobType.SFT: "SFT", JobType.RL: "RL", JobType.EVAL: "Eval"}[job_type]
        unit = "row" if job_type is JobType.EVAL else "step"
        self.line = progress_display(label, unit, _Nowhere() if is_quiet else None)
        self._pusher = ProgressPusher(endpoint) if endpoint and not is_quiet else None
        self._meter = meter

    def announce(self, progress: Progress) -> None:
        """Pushes progress that a reader has no use for yet: the libraries are still loading."""
        if self._pusher:
            self._pusher.update(progress)

    def update(self, progress: Progress) -> None:
        """Shows and pushes the progress; never waits for the network."""
        if self._meter:
            left = progress.remaining_seconds
            metrics = {**progress.metrics, **self._meter.forecast(left)}
            progress = replace(progress, metrics=metrics, note=self._meter.shown(left))
        self.line.update(progress)
        if self._pusher:
            self._pusher.update(progress)

    def close(self) -> None:
        """Ends the line and sends the last progress."""
        self.line.close()
        if self._pusher:
            self._pusher.close()


class _Nowhere(io.StringIO):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)
