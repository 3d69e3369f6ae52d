"""Two trainings in one process that take turns, a step each, and what each step took."""

import math
import statistics
import threading
import time
from pathlib import Path
from typing import Any

TURN_SECONDS = 120.0
WARM_UP = 5
"""Steps at the start that do not count."""


class Side:
    """One of two trainings. A turn is one step with all that comes between two steps."""

    def __init__(self, turn: threading.Condition, *, has_turn: bool) -> None:
        self.wall: list[float] = []
        self.thread: list[float] = []
        self.logged: list[dict[str, float]] = []
        self.beside = 0.0
        """Processor time, in seconds, of threads that belong to this side and do not train."""
        self.is_loaded = threading.Event()
        """Set once it is at its first step, or has failed before."""
        self.other: Side
        self._turn = turn
        self._has_turn = has_turn
        self._has_ended = False
        self._began: tuple[float, float] | None = None

    def callback(self) -> Any:
        """Returns the trainer's callback that waits for turns; the last of its callbacks."""
        from transformers import TrainerCallback

        side = self

        class Turns(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                side.is_loaded.set()
                if state.global_step == WARM_UP:
                    side.beside = -_processor_seconds_of("tenyson-")
                side._end_turn()
                side._wait()
                side._began = (time.perf_counter(), time.thread_time())

            def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                side.logged = [row for row in state.log_history if "loss" in row]
                side.beside += _processor_seconds_of("tenyson-")

        return Turns()

    def end(self) -> None:
        """Leaves all turns to the other side, also after an error."""
        with self._turn:
            self._has_ended = True
            self._turn.notify_all()
        self.is_loaded.set()

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
        return self._has_turn or self.other._has_ended


def take_turns(*, ours_first: bool) -> tuple[Side, Side]:
    """Returns two sides that wait for each other."""
    turn = threading.Condition()
    ours, theirs = Side(turn, has_turn=ours_first), Side(turn, has_turn=not ours_first)
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
