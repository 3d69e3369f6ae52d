"""Weights & Biases, online or offline as its own WANDB_MODE says."""

import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenyson.jobs.tracking.tracker import TrackedRun

_STEP = "train/global_step"
"""As transformers names it: rows of a step that is trained again come after those of later steps,
which W&B's own counter would refuse."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_IDS = uuid.UUID("3b0f9f2b-6f2e-5f0e-8a3b-2f8e7f1c9b03")
INIT_SECONDS = 60


class WandbTracker:
    """A run of W&B; all attempts at a run of ours are one run there."""

    name = "wandb"

    def __init__(self, run: TrackedRun) -> None:
        """Starts the run, or goes on with it."""
        import wandb

        self._run: Any = wandb.init(
            project=run.project,
            name=run.name,
            id=wandb_id(run.run_id),
            resume="allow",
            group=run.group,
            tags=list(run.tags),
            job_type=run.job_type,
            config=dict(run.config),
            dir=str(run.folder),
            settings=wandb.Settings(console="off", silent=True, init_timeout=INIT_SECONDS),
        )
        self._run.define_metric(_STEP)
        self._run.define_metric("*", step_metric=_STEP)
        is_offline = bool(self._run.offline)
        self.url: str | None = None if is_offline else self._run.url
        self.folder = Path(self._run.sync_dir) if is_offline else None

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Takes a row of numbers."""
        self._run.log({**numbers, _STEP: step})

    def finish(self, summary: Mapping[str, float], exit_code: int) -> None:
        """Takes the metrics of the whole, and sends what is left to send."""
        for metric, value in summary.items():
            self._run.summary[metric] = value
        self._run.finish(exit_code=exit_code)

    @property
    def how_to_send(self) -> str:
        """The command that brings an offline run to the server."""
        return f"wandb sync {self.folder}"


def wandb_id(run_id: str) -> str:
    """Returns the id of our run there: our own where W&B takes it, else one made of it."""
    return run_id if _PLAIN_ID.fullmatch(run_id) else uuid.uuid5(_IDS, run_id).hex
