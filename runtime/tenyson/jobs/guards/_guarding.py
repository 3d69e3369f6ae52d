"""The callback that shows the guards what the trainer logs, and acts on what they find."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from tenyson.checkpoints.store import CheckpointStore
from tenyson.errors import DivergedError
from tenyson.jobs.context import RunContext
from tenyson.jobs.guards.panel import Finding, Panel, panel_of
from tenyson.numbers import is_number

LOG = logging.getLogger("tenyson.jobs")


class GuardCallback(TrainerCallback):  # type: ignore[misc]
    """Warns once, or ends the training with DivergedError; all ranks do alike."""

    def __init__(self, context: RunContext, store: CheckpointStore) -> None:
        """Takes an attempt, and its checkpoints: the last good one is kept while it may be needed.

        Args:
            context: The attempt; warnings go into its result.
            store: Where the run's checkpoints are.
        """
        self._context = context
        self._store = store
        self._panel = Panel((), context.config.guards)
        self.reward_names: Sequence[str] = ()
        """The reward functions in the trainer's order; to be set once there is a trainer."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Brings the guards to where they were when the checkpoint was saved."""
        names, weights = self.reward_names, getattr(args, "reward_weights", None)
        by_name = dict(zip(names, weights or [1.0] * len(names), strict=True))
        self._panel = panel_of(self._context.config.guards, self._context.job_type, by_name)
        self._panel.remember(state.log_history)

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Shows a row to the guards.

        Raises:
            DivergedError: A guard found what its action does not let pass.
        """
        if not logs or "train_runtime" in logs:
            return
        findings = self._panel.observe(state.global_step, logs)
        self._store.keep_before = self._first_bad_step(self._panel.bad_since, args)
        for finding in findings:
            if finding.action == "warn":
                self._warn(finding, logs)
        grave = next((f for f in findings if f.action != "warn"), None)
        ranks = self._context.ranks
        if ranks.any_of(grave is not None)[0] and (decided := ranks.share(grave)) is not None:
            error = self._diverged(decided, args)
            told = _details(decided, logs) | {"before_step": error.before_step}
            self._context.record.tell(
                *("guard", decided.verdict.guard, error.message), level="error", **told
            )
            raise error

    def _warn(self, finding: Finding, logs: Mapping[str, Any]) -> None:
        verdict = finding.verdict
        text = f"Guard {verdict.guard}: {verdict.message} {verdict.diagnosis}"
        LOG.warning("%s", text)
        self._context.warn(text, kind="guard", name=verdict.guard, **_details(finding, logs))

    def _diverged(self, finding: Finding, args: Any) -> DivergedError:
        verdict = finding.verdict
        return DivergedError(
            f"Guard {verdict.guard}: {verdict.message}",
            hint=verdict.diagnosis,
            guard=verdict.guard,
            before_step=self._first_bad_step(verdict.since_step, args),
        )

    def _first_bad_step(self, logged: int | None, args: Any) -> int | None:
        """The first step that a logged row tells of: it is a mean over `logging_steps`."""
        return None if logged is None else max(1, logged - int(args.logging_steps) + 1)


def _details(finding: Finding, logs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an event says of a finding: what was seen, and the row that it was seen in."""
    verdict = finding.verdict
    return {
        "action": finding.action,
        "since_step": verdict.since_step,
        "seen": verdict.seen,
        "causes": verdict.advice.causes,
        "remedy": verdict.advice.remedy,
        "row": {metric: float(value) for metric, value in logs.items() if is_number(value)},
    }
