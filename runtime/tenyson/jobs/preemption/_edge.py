"""What is decided at the edge between two steps: whether to save, and whether to stop."""

import logging
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from tenyson.config.checkpoint import CheckpointConfig
from tenyson.distributed.ranks import Ranks
from tenyson.jobs.preemption.estimates import SaveCost
from tenyson.jobs.preemption.saving import is_save_due, stretch_notice
from tenyson.jobs.preemption.together import stop_together
from tenyson.jobs.stop import StopRequest

LOG = logging.getLogger("tenyson.jobs")


class EdgeCallback(TrainerCallback):  # type: ignore[misc]
    """Decides at each step's edge whether to save a checkpoint, and whether to stop.

    All ranks decide alike: a stop that was asked of one is all ranks' stop, and whether a
    checkpoint is due is rank 0's to say, by its clock.
    """

    def __init__(
        self,
        config: CheckpointConfig,
        stop: StopRequest,
        ranks: Ranks,
        saves: SaveCost | None = None,
        *,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Takes what the decisions hang on.

        Args:
            config: When to save.
            stop: The request to stop.
            ranks: The processes that train together.
            saves: What saves have taken so far.
            warn: Keeps a warning for the reader of the result.
        """
        self._config = config
        self._stop = stop
        self._ranks = ranks
        self._saves = saves or SaveCost()
        self._warn = warn
        self._has_warned = False
        self._last_saved = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock of `every_seconds`."""
        self._last_saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Asks for a checkpoint where one is due, or where the run is to stop before its end."""
        is_due, is_asked = self._ranks.any_of(
            self._ranks.is_main and self._is_due(state.global_step), self._stop.is_made
        )
        if is_due or is_asked:
            control.should_save = True
        if not is_asked:
            return
        control.should_evaluate = False  # the next attempt does; at the end, what comes after does
        if state.global_step < state.max_steps:
            control.should_training_stop = True
            stop_together(self._stop, self._ranks)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Counts from the end of the save, so that slow storage does not fill the time."""
        self._last_saved = time.monotonic()
        notice = stretch_notice(self._config, self._saves.usual())
        if notice and not self._has_warned and self._ranks.is_main:
            self._has_warned = True
            LOG.warning(notice)
            self._warn(notice)

    def _is_due(self, step: int) -> bool:
        since = time.monotonic() - self._last_saved
        return is_save_due(self._config, step, since, self._saves.usual())
