"""Telemetry of a run, as the jobs use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tenyson.jobs.context import RunContext


class Recording:
    """What a run's parts record to; stands between the jobs and the telemetry package."""

    def __init__(self, context: RunContext) -> None:
        from tenyson.telemetry import open_telemetry

        self._telemetry = open_telemetry(
            context.telemetry_db_url,
            context.output_dir,
            context.result.run_id,
            context.result.attempt,
            context.job_type,
        )

    def sft_callbacks(self) -> list[Any]:
        """Returns the callbacks of an SFT run."""
        from tenyson.telemetry import SFTTelemetryCallback

        return [SFTTelemetryCallback(self._telemetry)]

    def rl_callbacks(self) -> list[Any]:
        """Returns the callbacks of an RL run."""
        from tenyson.telemetry import GRPOEpochTelemetryCallback

        return [GRPOEpochTelemetryCallback(self._telemetry)]

    def checked_rewards(self, functions: list[Callable[..., Any]]) -> list[Callable[..., Any]]:
        """Returns the reward functions, checked at every call and recorded."""
        from tenyson.jobs._rewards import checked_rewards

        return checked_rewards(functions, self._telemetry)

    def eval_samples(self, rows: list[dict[str, Any]]) -> None:
        """Records an evaluation's prompts and completions."""
        self._telemetry.record_eval_samples(rows)

    def close(self) -> dict[str, int]:
        """Writes what is left and returns how many rows went where."""
        return self._telemetry.close()


@contextmanager
def recording(context: RunContext) -> Iterator[Recording]:
    """Yields the run's recording; its counts are in the result afterwards, a failure included."""
    opened = Recording(context)
    try:
        yield opened
    finally:
        counts = opened.close()
        context.result.telemetry = counts
        if counts.get("spooled"):
            context.warn(
                f"{counts['spooled']} telemetry rows are in the output folder's spool file: the "
                "database could not be reached."
            )
