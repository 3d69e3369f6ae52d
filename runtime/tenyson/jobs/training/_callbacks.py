"""What is told of a training: its rows of metrics, and its progress."""

import json
from datetime import UTC, datetime
from typing import Any

from transformers import TrainerCallback

from tenyson.checkpoints.fence import Fence
from tenyson.contract import File
from tenyson.jobs.context import Reporter
from tenyson.jobs.measuring.tokens import TokenCounts
from tenyson.jobs.recording.record import Record
from tenyson.jobs.result import JobResult
from tenyson.numbers import is_number
from tenyson.progress import CHECKPOINT_STEP, Progress, StepClock


class MetricsCallback(TrainerCallback):  # type: ignore[misc]
    """Appends every logged row to metrics.jsonl, and tells of it: the record and the progress."""

    def __init__(
        self,
        fence: Fence,
        reporter: Reporter,
        result: JobResult,
        tokens: TokenCounts,
        record: Record,
    ) -> None:
        self._tokens = tokens
        self._fence = fence
        self._path = fence.folder / File.METRICS
        self._reporter = reporter
        self._result = result
        self._record = record
        self._latest: dict[str, float] = {}
        self._clock = StepClock(0, 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock, and drops rows of steps that are about to be trained again."""
        drop_rows_after(self._fence, state.global_step)
        if state.global_step:
            self._latest[CHECKPOINT_STEP] = state.global_step
        self._clock = StepClock(state.global_step, state.max_steps)
        self._record.start_training(state.global_step)
        self._report(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Counts the step; on a step that logs, the progress waits for its metrics."""
        self._result.global_step = state.global_step
        if not control.should_log:
            self._report(state)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Writes the row."""
        if not logs or "train_runtime" in logs:
            return
        numbers = {n: float(v) for n, v in logs.items() if is_number(v)}
        if "loss" in numbers and (rate := self._tokens.rate_since_last()) is not None:
            numbers["tokens_per_second"] = round(rate, 1)
        row = {"step": state.global_step, **numbers, "attempt": self._fence.attempt, "time": _now()}
        self._fence.check()
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._latest |= numbers
        left = self._clock.remaining_seconds(state.global_step)
        self._record.add_row(state.global_step, numbers, left)
        self._report(state)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Reports the step that a next attempt would go on from."""
        self._latest[CHECKPOINT_STEP] = state.global_step
        self._report(state)

    def _report(self, state: Any) -> None:
        left = self._clock.remaining_seconds(state.global_step)
        self._reporter.update(
            Progress(state.global_step, state.max_steps, dict(self._latest), left)
        )


def drop_rows_after(fence: Fence, step: int) -> None:
    """Removes the rows of later steps, which a killed attempt left, and a half-written last one."""
    path = fence.folder / File.METRICS
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    fence.write(File.METRICS, "".join(f"{line}\n" for line in kept))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
