"""The error tree: one class per thing that a caller can do about it, each with its exit code.

A message says what was given and what was expected; `hint` says what to do next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tenyson.contract import ExitCode


class TenysonError(Exception):
    """Base of every error that Tenyson raises on purpose."""

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a configuration."""

    path: str
    """Dotted path of the field, `training.learning_rate`; empty for the file as a whole."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(TenysonError, ValueError):
    """Raised when a configuration cannot be used; holds every problem found, not the first."""

    exit_code = ExitCode.CONFIG

    def __init__(self, problems: Sequence[Problem], *, source: str = "", hint: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        place = f" in {source}" if source else ""
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}{place}"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"Configuration refused, {count}:\n{lines}", hint=hint)


class TaskError(TenysonError):
    """Raised when a task's hook, dataset or reward does not do what its job needs."""

    exit_code = ExitCode.TASK


class TaskLoadError(TaskError, ImportError):
    """Raised when a task cannot be imported or lacks a hook."""


class RewardError(TaskError):
    """Raised when a reward function raises, or returns something that is no reward."""


class DependencyError(TenysonError):
    """Raised when something outside the run (Hub, storage, library) is missing at the start."""

    exit_code = ExitCode.DEPENDENCY


class CheckpointError(TenysonError):
    """Raised when a saved checkpoint or adapter is not what its manifest says."""

    exit_code = ExitCode.TASK


class OutOfMemoryError(TenysonError):
    """Raised when a step does not fit in memory."""

    exit_code = ExitCode.OUT_OF_MEMORY

    def __init__(self, message: str, *, hint: str = "", during: str = "") -> None:
        super().__init__(message, hint=hint)
        self.during = during
        """`training` or `sampling`, where smaller parts may help; empty elsewhere."""


class DivergedError(TenysonError):
    """Raised when a guard ends a training: not finite, collapsed, or off its target."""

    exit_code = ExitCode.DIVERGED

    def __init__(
        self, message: str, *, hint: str = "", guard: str = "", before_step: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.guard = guard
        """Field of `guards` that says what happens now."""
        self.before_step = before_step
        """The first bad step: only checkpoints of earlier ones are good."""


class BudgetError(TenysonError):
    """Raised when a run's budget is used up; it has ended on an edge, and its result is valid."""

    exit_code = ExitCode.BUDGET


class CredentialsError(TenysonError):
    """Raised when a token or a key is missing or refused."""

    exit_code = ExitCode.CREDENTIALS


class StoppedError(TenysonError):
    """Raised at a step's edge after a request to stop; the checkpoint is saved by then."""

    exit_code = ExitCode.STOPPED


class SupersededError(StoppedError):
    """Raised where a newer attempt of the run has started: this one may write nothing more."""


class PeerError(TenysonError):
    """Raised when another rank of the attempt failed or is gone; it has that rank's exit code.

    Of a rank that left no word the code is STOPPED where a checkpoint is saved, else DEPENDENCY:
    infrastructure either way, so that another attempt goes on.
    """

    def __init__(self, message: str, exit_code: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode(exit_code)
