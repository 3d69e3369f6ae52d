"""`--smoke`: two real steps through every part of a run, in a folder that is gone afterwards."""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenyson.checkpoints.layout import Place
from tenyson.config import parse_config
from tenyson.contract import File, JobType
from tenyson.errors import CheckpointError
from tenyson.files import sha256_of_file
from tenyson.jobs.job import Job
from tenyson.jobs.options import RunOptions
from tenyson.jobs.planning.plan import cost_lines, step_seconds
from tenyson.jobs.result import JobResult
from tenyson.task import REQUIRED_HOOKS, has_hook

STEPS = 2
ANSWER_TOKENS = 16
"""Of an answer in a training run's trial, at most: what evaluates it later has settings of its own,
and the usual 512 need not fit into the model's context."""
WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class Stage:
    """One part of a run that was tried."""

    name: str
    seconds: float
    says: str

    def text(self) -> str:
        """Returns the stage as a line to read."""
        return f"  {self.name:<9} OK  {self.seconds:6.1f} s  {self.says}"


def smoke(job: Job, evaluation_job: type[Job], say: Callable[[str], None]) -> list[Stage]:
    """Tries a job out and returns its stages; each is said as soon as it is done.

    Args:
        job: Ready to run; its output folder stays as it is.
        evaluation_job: What evaluates the trained weights, where the task has the hooks.
        say: Takes a line.

    Raises:
        TenysonError: What the first stage that did not work ended with.
    """
    stages: list[Stage] = []

    def tell(stage: Stage) -> None:
        stages.append(stage)
        say(stage.text())

    with tempfile.TemporaryDirectory(prefix="tenyson-smoke-") as name:
        folder = Path(name)
        trial = _Trial(job, folder)
        if job.job_type is JobType.EVAL:
            tell(trial.evaluate(type(job), None))
            return stages
        tell(trial.train())
        tell(trial.resume())
        for line in cost_lines(trial.config, trial.config.training.max_steps, trial.step_seconds):
            say(f"  forecast  {line}")
        if all(has_hook(job.task, hook) for hook in REQUIRED_HOOKS[JobType.EVAL]):
            tell(trial.evaluate(evaluation_job, folder / "whole" / File.FINAL_CHECKPOINT))
        else:
            say("  evaluate  left out: the task has no get_eval_dataset and compute_metrics")
    return stages


class _Trial:
    """The stages, which build on one another's folders."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job = job
        self.config = parse_config(job.config, job.job_type)
        self.step_seconds: float | None = None
        """What a step took; None before there was one."""
        self._folder = folder

    def train(self) -> Stage:
        """Trains from the start and saves after each step."""
        result, seconds = self._run(type(self._job), self._changed(), "whole")
        self.step_seconds = step_seconds(result)
        memory = " · ".join(f"{n} {v / 2**30:.2f} GiB" for n, v in result.peak_memory.items())
        each = f"{self.step_seconds or 0:.2g} s each"
        return Stage("train", seconds, f"{STEPS} steps saved, {each}; {memory}; {_few(result)}")

    def resume(self) -> Stage:
        """Takes the checkpoint of the first step, trains the second again, and compares."""
        name = Place(0, 1).name
        shutil.copytree(self._folder / "whole" / name, self._folder / "resumed" / name)
        result, seconds = self._run(type(self._job), self._changed(), "resumed", attempt=1)
        if result.resumed_from_step != 1:
            raise CheckpointError(
                f"The second attempt began at step {result.resumed_from_step}, not at the "
                "checkpoint of step 1."
            )
        same = self._weights("whole") == self._weights("resumed")
        says = "step 2 again from the checkpoint of step 1, the same weights to the last bit"
        if not same:
            says = (
                "step 2 again from the checkpoint of step 1; the weights differ in their last "
                "bits, as kernels on a GPU may (training.determinism: strict)"
            )
        return Stage("resume", seconds, says)

    def evaluate(self, kind: type[Job], final: Path | None) -> Stage:
        """Evaluates one batch, with the trained weights where there are some."""
        changes: dict[str, Any] = {
            "evaluation": {"max_prompts": self.config.evaluation.batch_size, "adapters": {}}
        }
        adapter: str | None = None
        if final is not None and (final / File.ADAPTER_WEIGHTS).is_file():
            adapter = str(final)
        elif final is not None:
            changes["model"] = {"name": str(final), "revision": "main"}
            changes["adapter"] = {"path": None}
        if final is not None:  # the named rows are those that were trained on
            changes["data"] = {"dataset": None}
            longest = self.config.evaluation.max_new_tokens
            changes["evaluation"]["max_new_tokens"] = min(longest, ANSWER_TOKENS)
        config = self._changed(changes)
        result, seconds = self._run(kind, config, "evaluated", adapter=adapter)
        return Stage("evaluate", seconds, f"{result.global_step} prompts; {_few(result)}")

    def _changed(self, more: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the configuration with what a trial needs otherwise."""
        content = self.config.model_dump()
        content["training"].update(max_steps=STEPS, logging_steps=1, eval_steps=None)
        content["checkpoint"].update(every_steps=1, every_seconds=None, resume="auto", keep=STEPS)
        content["budget"].update(max_hours=None, max_cost=None, max_tokens=None)
        content["telemetry"].update(db_url=None, report_to=[])
        for section, fields in (more or {}).items():
            content[section].update(fields)
        return content

    def _run(
        self,
        kind: type[Job],
        content: dict[str, Any],
        folder: str,
        *,
        attempt: int = 0,
        adapter: str | None = None,
    ) -> tuple[JobResult, float]:
        started = time.monotonic()
        job = kind(
            parse_config(content, kind.job_type),
            self._job.task,
            run_id="smoke",
            attempt=attempt,
            output_dir=self._folder / folder,
            options=self._options(adapter),
        )
        return job.run(), time.monotonic() - started

    def _options(self, adapter: str | None) -> RunOptions:
        """Returns options that reach nobody: no upload, no push, no telemetry, no Hub."""
        own = self._job.options
        if adapter is not None:
            own = replace(own, adapter_path=adapter, adapter_sha256=None)
        return replace(own, output_uri=None, telemetry_db_url=None, progress=None, hub=None)

    def _weights(self, folder: str) -> list[tuple[str, str]]:
        final = self._folder / folder / File.FINAL_CHECKPOINT
        files = sorted(path for pattern in WEIGHTS for path in final.glob(pattern))
        return [(path.name, sha256_of_file(path)) for path in files]


def _few(result: JobResult) -> str:
    return " · ".join(f"{n} {v:.4g}" for n, v in list(result.metrics.items())[:3])
