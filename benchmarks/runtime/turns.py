"""Two trainings in one process that take turns, a step each, and what each step took."""

import math
import statistics
import threading
import time
from pathlib import Path
from typing import Any

TURN_SECONDS = 300.0
WARM_UP = 5
"""Steps at the start that do not count."""


class Side:
    """One of two trainings. A turn is one step with all that comes between two steps."""

    def __init__(
        self, turn: threading.Condition, loading: threading.Lock, *, has_turn: bool
    ) -> None:
        self.wall: list[float] = []
        self.thread: list[float] = []
        self.logged: list[dict[str, float]] = []
        self.beside = 0.0
        """Processor time, in seconds, of threads that belong to this side and do not train."""
        self.other: Side
        self._turn = turn
        self._loading = loading
        self._is_loading = self._is_loaded = False
        self._has_turn = has_turn
        self._has_ended = False
        self._began: tuple[float, float] | None = None

    def callback(self) -> Any:
        """Returns the trainer's callback that waits for turns; the last of its callbacks."""
        from transformers import TrainerCallback

        side = self

        class Turns(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                side._end_loading()
                if state.global_step == WARM_UP:
                    side.beside = -_processor_seconds_of("tenyson-")
                side._end_turn()
                side._wait()
                side._began = (time.perf_counter(), time.thread_time())

            def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                side.logged = [row for row in state.log_history if "loss" in row]
                side.beside += _processor_seconds_of("tenyson-")

        return Turns()

    def load(self) -> None:
        """Waits until the other does not load; both draw adapters from the global generator."""
        self._loading.acquire()
        self._is_loading = True

    def _end_loading(self) -> None:
        if self._is_loading:
            self._is_loading = False
            self._loading.release()
            with self._turn:
                self._is_loaded = True
                self._turn.notify_all()

    def end(self) -> None:
        """Leaves all turns to the other side, also after an error."""
        self._end_loading()
        with self._turn:
            self._has_ended = True
            self._turn.notify_all()

    def _end_turn(self) -> None:
        if self._began is None:
            return
        wall, thread = self._began
        self.wall.append(time.perf_counter() - wall)
        self.thread.append(time.thread_time() - thread)
        with self._turn:
            self._has_turn, self.other._has_turn = False, True
            self._turn.notify_all()

    def _wait(self) -> None:
        with self._turn:
            if not self._turn.wait_for(self._may_go, TURN_SECONDS):
                raise TimeoutError(f"the other side took more than {TURN_SECONDS:g} s for a step")

    def _may_go(self) -> bool:
        # Not while the other loads: accelerate keeps one state for the process, and makes it anew.
        return self.other._has_ended or (self._has_turn and self.other._is_loaded)


def take_turns() -> tuple[Side, Side]:
    """Returns two sides that wait for each other."""
    turn, loading = threading.Condition(), threading.Lock()
    ours, theirs = Side(turn, loading, has_turn=True), Side(turn, loading, has_turn=False)
    ours.other, theirs.other = theirs, ours
    return ours, theirs


def figures(ours: Side, theirs: Side) -> dict[str, float]:
    """Returns medians over the steps, in milliseconds, and what ours took more, in per cent.

    What our other threads do falls into either side's turns, so it is counted apart and put upon
    ours; otherwise it would make the other side look slow.
    """
    beside = 1000 * ours.beside / (len(ours.wall) - WARM_UP)
    ms, trl_ms = _median_ms(ours.wall), _median_ms(theirs.wall)
    return {
        "ms": ms,
        "trl_ms": trl_ms,
        "beside_ms": beside,
        "overhead_percent": _percent(ours.wall, theirs.wall) + 100 * beside / trl_ms,
        "thread_overhead_percent": _percent(ours.thread, theirs.thread),
    }


def _median_ms(seconds: list[float]) -> float:
    return 1000 * statistics.median(seconds[WARM_UP:])


def _percent(ours: list[float], theirs: list[float]) -> float:
    pairs = list(zip(ours, theirs, strict=True))[WARM_UP:]
    return 100 * math.expm1(statistics.median(math.log(a / b) for a, b in pairs))


def _processor_seconds_of(prefix: str) -> float:
    """Returns the processor time of this process's living threads whose names begin so."""
    total = 0.0
    for thread in threading.enumerate():
        if thread.name.startswith(prefix) and thread.native_id is not None:
            # User and system time, in nanoseconds, is the first field.
            path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
            total += int(path.read_text().split()[0]) / 1e9
    return total
