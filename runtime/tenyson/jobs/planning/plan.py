"""What a run would do, as far as it can be told before it starts: pure, for `--dry-run`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tenyson.checkpoints.layout import Place, attempt_of_folder
from tenyson.config import JobConfig
from tenyson.contract import File, JobType
from tenyson.jobs.result import JobResult
from tenyson.progress_line import duration

STEP_PHASES = ("data", "generate", "reward", "sync", "forward_backward")
"""What a step's time goes into; the other phases do not grow with the steps."""


@dataclass
class Plan:
    """What a run would do, in the order in which a reader wants it."""

    job_type: str
    ranks: int = 1
    """Processes that would train together."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """A label, and what is planned; a label that repeats is shown once."""
    warnings: list[str] = field(default_factory=list)

    def add(self, label: str, text: str) -> None:
        """Appends a line."""
        self.lines.append((label, text))

    def text(self) -> str:
        """Returns the plan for a person to read."""
        width = max(len(label) for label, _ in self.lines)
        shown, last = [], ""
        for label, text in self.lines:
            for number, part in enumerate(text.splitlines() or [""]):
                name = label if number == 0 and label != last else ""
                shown.append(f"  {name:<{width}}  {part}".rstrip())
            last = label
        warned = [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join([f"Plan of this {self.job_type} run:", *shown, *warned])

    def to_dict(self) -> dict[str, Any]:
        """Returns the plan as JSON values."""
        return asdict(self)


def planned_steps(config: JobConfig, job_type: JobType, rows: int, ranks: int) -> int:
    """Returns the optimiser steps of a run over so many rows."""
    training, rl = config.training, config.rl
    if training.max_steps is not None:
        return training.max_steps
    accumulation = training.gradient_accumulation_steps
    if job_type is JobType.RL:
        micro_steps = rl.steps_per_generation or accumulation
        completions = training.per_device_train_batch_size * ranks * micro_steps
        rounds = rows // (completions // rl.num_generations)  # TRL leaves out what fills no round
        batches = rounds * micro_steps * rl.num_iterations
    else:
        batches = math.ceil(rows / (training.per_device_train_batch_size * ranks))
    return math.ceil(training.num_train_epochs * max(1, math.ceil(batches / accumulation)))


def newest_place(folder: Path, mirrored: Sequence[str] = ()) -> Place | None:
    """Returns where the newest checkpoint of a run lies, by name alone.

    Args:
        folder: The output folder.
        mirrored: Names of the checkpoints in its mirror.
    """
    found = [*folder.glob("checkpoint-*"), *folder.glob("attempt-*/checkpoint-*")]
    names = (path.relative_to(folder).as_posix() for path in found)
    places = (Place.parse(name) for name in (*names, *mirrored))
    return max((place for place in places if place is not None), default=None)


def seconds_a_step(folder: Path) -> float | None:
    """Returns what a step took in the newest attempt of an output folder; None without one."""
    attempts = folder.glob(f"attempt-*/{File.JOB_RESULT}")
    newest_first = sorted(attempts, key=_attempt_of, reverse=True)
    for path in (folder / File.JOB_RESULT, *newest_first):
        try:
            found = step_seconds(JobResult.load(path))
        except (OSError, ValueError):
            continue
        if found is not None:
            return found
    return None


def _attempt_of(path: Path) -> int:
    """Returns the attempt in whose folder a file lies; no attempt's comes before all."""
    attempt = attempt_of_folder(path.parent.name)
    return -1 if attempt is None else attempt


def step_seconds(result: JobResult) -> float | None:
    """Returns what a step of an attempt took; None where it did none."""
    if result.global_step is None or result.resumed_from_step is None:
        return None
    done = result.global_step - result.resumed_from_step
    if done <= 0:
        return None
    spent = sum(result.phase_seconds.get(phase, 0.0) for phase in STEP_PHASES)
    return (spent or result.total_time_seconds) / done


def cost_lines(config: JobConfig, steps_left: int | None, seconds: float | None) -> Iterator[str]:
    """Yields what is known of a run's time and money.

    Args:
        config: Of the run.
        steps_left: Until its end; None for an evaluation.
        seconds: What a step takes; None where nobody has measured.
    """
    budget = config.budget
    price, currency = budget.price_per_hour, budget.currency
    if steps_left is not None and seconds is not None:
        hours = steps_left * seconds / 3600
        money = f", {hours * price:.2f} {currency} at {price:g} an hour" if price else ""
        steps = f"{steps_left} steps of {seconds:.3g} s, as measured"
        yield f"about {duration(hours * 3600)}{money}: {steps}"
    else:
        yield "time unknown: no attempt has measured a step yet; --smoke does"
    limits = [
        f"{budget.max_hours:g} h" if budget.max_hours is not None else "",
        f"{budget.max_cost:g} {currency}" if budget.max_cost is not None else "",
        f"{budget.max_tokens} tokens" if budget.max_tokens is not None else "",
    ]
    if named := [limit for limit in limits if limit]:
        most = f" ({budget.max_hours * price:.2f} {currency})" if budget.max_hours and price else ""
        yield f"ends at {' or '.join(named)}{most} at the latest"
