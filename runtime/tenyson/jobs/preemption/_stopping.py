"""How a trainer stops in time: it finishes the running step where that can be, else drops it.

A step is dropped by an Interruption out of it: between two forward passes (so between the tokens
of a generation too), between micro-batches, or wherever the main thread is when a signal comes.
From the optimiser's step on it is finished: from there it takes no time worth naming.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback

from tenyson.distributed.ranks import Ranks
from tenyson.errors import StoppedError
from tenyson.jobs.preemption._edge_state import EdgeState, random_states_kept
from tenyson.jobs.preemption.decision import Decision, can_save, decide
from tenyson.jobs.preemption.estimates import SaveCost, StepPace, guess_save_seconds
from tenyson.jobs.preemption.together import stop_together
from tenyson.jobs.preemption.words import stopped_error
from tenyson.jobs.stop import Interruption, StopRequest

LOG = logging.getLogger("tenyson.jobs")


class StopsInTime:
    """Keeps the last edge's state while a step runs, and saves it where the step is dropped.

    Evaluation during the training leaves no trace in its random states. So one that is dropped is
    simply done by the next attempt, and the weights are the same.
    """

    args: Any
    model: Any
    state: Any
    control: Any
    callback_handler: Any
    is_in_train: bool
    ranks: Ranks
    stop: StopRequest
    saves: SaveCost
    saved_step: int = 0
    """Step of the newest checkpoint; 0 where there is none."""
    _edge: EdgeState | None = None
    _is_droppable = False
    _is_evaluating = False
    _looks_together = False

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains.

        Raises:
            StoppedError: The running step was dropped for a request to stop.
        """
        self._pace = StepPace()
        self.saves.guess_seconds = guess_save_seconds(_trained_bytes(self.model))
        self.remove_callback(_StepWatch)  # type: ignore[attr-defined]  # of an earlier training
        self.add_callback(_StepWatch(self))  # type: ignore[attr-defined]
        with self._stopping_in_time():
            return super().train(*args, **kwargs)  # type: ignore[misc]

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the metrics on the evaluation set.

        Raises:
            StoppedError: A request to stop came after the training.
        """
        if self.is_in_train:
            return self._evaluate_droppably(*args, **kwargs)
        with self._stopping_in_time():
            return self._evaluate_droppably(*args, **kwargs)

    def _evaluate_droppably(self, *args: Any, **kwargs: Any) -> Any:
        was_droppable = self._is_droppable
        if self.state.global_step > self.saved_step:
            self._edge = EdgeState.of(self)
        self._is_droppable = self._is_evaluating = True
        try:
            with random_states_kept():
                return super().evaluate(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._is_droppable, self._is_evaluating = was_droppable, False

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the loss of a micro-step."""
        self.look()
        return super().training_step(*args, **kwargs)  # type: ignore[misc]

    def look(self) -> None:
        """Drops the running step, on all ranks alike, where a stop leaves it no time."""
        if self.ranks.size == 1:
            self.stop.interrupt()
        elif self._looks_together and self._is_droppable:
            (is_dropped,) = self.ranks.any_of(self.stop.is_made and self._is_drop_due())
            if is_dropped:
                stop_together(self.stop, self.ranks)
                raise Interruption(self.stop.reason)

    def pass_point_of_no_return(self) -> None:
        """Notes that the optimiser is about to step."""
        self.look()
        self._is_droppable = False

    def end_step(self) -> None:
        """Notes that the optimiser has stepped."""
        self._pace.end()

    def take_edge(self) -> None:
        """Keeps the state between two steps."""
        if self.control.should_training_stop:
            self._is_droppable = False
            return
        self._edge = EdgeState.of(self)
        self._is_droppable = True
        if self.ranks.size > 1:  # where steps are short the ranks need not agree within them
            is_slow = self._pace.usual() + self.saves.at_most() > self.stop.grace_seconds / 2
            (self._looks_together,) = self.ranks.any_of(is_slow)
        self._pace.begin(self._rounds_ahead())

    def _rounds_ahead(self) -> int:
        """Rounds of sampling in the step that begins."""
        return 0

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        super()._maybe_log_save_evaluate(*args, **kwargs)  # type: ignore[misc]
        self.take_edge()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with self.saves.measured():
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        self.saved_step = self.state.global_step

    @contextmanager
    def _stopping_in_time(self) -> Iterator[None]:
        """Lets the block be interrupted where a step is dropped; then saves the last edge."""
        is_interrupted = False
        hook = _before_each_forward(self.model, self.stop.interrupt)
        if self.ranks.size == 1:
            self.stop.allow_interruption(self._is_drop_due)
        try:
            yield
        except Interruption:
            is_interrupted = True
        finally:
            self.stop.defer()
            if hook is not None:
                hook.remove()
        if is_interrupted:
            self._save_edge()
            raise self._stopped()

    def _is_drop_due(self) -> bool:
        if not self._is_droppable:
            return False
        return self._is_evaluating or self._decision() is not Decision.FINISH_STEP

    def _decision(self) -> Decision:
        return decide(
            now=0.0,
            deadline=self.stop.remaining_seconds,
            step_seconds=self._pace.remaining(),
            save_seconds=self.saves.at_most(),
            has_edge_state=self._has_unsaved_edge(),
        )

    def _has_unsaved_edge(self) -> bool:
        return self._edge is not None and self._edge.step > self.saved_step

    def _save_edge(self) -> None:
        """Saves the state of the last edge, if that is not done and there is time for it."""
        edge = self._edge
        LOG.info("Dropped what ran after step %d: no time to end it", self.state.global_step)
        is_wanted = self._has_unsaved_edge() and can_save(
            self.stop.remaining_seconds, self.saves.at_most()
        )
        (is_wanted,) = self.ranks.any_of(is_wanted)
        if is_wanted and edge is not None:
            edge.restore(self)
            self._save_checkpoint(self.model, None)
            self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def _stopped(self) -> StoppedError:
        return stopped_error(
            self.stop.reason,
            step=self.state.global_step,
            total=self.state.max_steps,
            saved_step=self.saved_step,
        )


class SamplesInTime(StopsInTime):
    """The same for a trainer that samples: its rounds are timed apart, only some steps have one."""

    _step: int
    num_iterations: int
    _buffered_inputs: Any

    def _rounds_ahead(self) -> int:
        every = self.args.steps_per_generation * self.num_iterations
        steps = range(self._step, self._step + self.args.gradient_accumulation_steps)
        rounds = sum(step % every == 0 for step in steps)
        return rounds or int(self._buffered_inputs is None)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        self._pace.begin_round()
        batch = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        self._pace.end_round()
        return batch


class _StepWatch(TrainerCallback):  # type: ignore[misc]
    """Tells the trainer where it is within a step."""

    def __init__(self, trainer: StopsInTime) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.take_edge()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.pass_point_of_no_return()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.end_step()


def _before_each_forward(model: Any, action: Any) -> Any:
    """Has the action called before each forward pass; returns a handle to remove, or None.

    The embedding is what every way through a model calls, wrapped or generating.
    """
    try:
        embedding = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return embedding.register_forward_pre_hook(lambda module, inputs: action())


def _trained_bytes(model: Any) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
