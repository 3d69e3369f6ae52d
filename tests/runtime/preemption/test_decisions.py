"""What is decided when a stop is asked for: by table, without a training."""

import contextlib
import math

import pytest

from tenyson.config.checkpoint import CheckpointConfig
from tenyson.errors import ConfigError
from tenyson.jobs.preemption.decision import Decision, decide
from tenyson.jobs.preemption.estimates import SaveCost, StepPace, guess_save_seconds
from tenyson.jobs.preemption.grace import beyond_platform, grace_seconds
from tenyson.jobs.preemption.saving import is_save_due, save_interval, stretch_notice
from tenyson.jobs.preemption.words import stopped_error

FINISH, DROP, LEAVE = Decision.FINISH_STEP, Decision.DROP_STEP, Decision.LEAVE_NOW


@pytest.mark.parametrize(
    ("left", "step", "save", "has_edge", "decision"),
    [
        (25, 1, 2, True, FINISH),
        (25, 23, 2, True, FINISH),
        (25, 24, 2, True, DROP),
        (25, 600, 2, True, DROP),
        (25, 600, 2, False, LEAVE),
        (25, 600, 40, True, DROP),
        (25, 600, 60, True, LEAVE),
        (25, 1, 60, True, LEAVE),
        (0, 0, 0, True, FINISH),
        (-1, 0, 0, True, LEAVE),
        (math.inf, 1e9, 60, False, FINISH),
    ],
    ids=[
        "short step",
        "just in time",
        "a second too long",
        "long step",
        "long step, edge saved already",
        "a save that may just do",
        "no time to save",
        "short step, no time to save",
        "nothing takes time",
        "too late",
        "no kill is coming",
    ],
)
def test_a_running_step_is_finished_dropped_or_left(
    left: float, step: float, save: float, has_edge: bool, decision: Decision
) -> None:
    found = decide(
        now=100.0,
        deadline=100.0 + left,
        step_seconds=step,
        save_seconds=save,
        has_edge_state=has_edge,
    )
    assert found is decision


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def paced(clock: Clock, steps: int, *, sample: float | None, train: float) -> StepPace:
    """A pace that has seen some steps."""
    pace = StepPace(clock)
    for _ in range(steps):
        pace.begin(0 if sample is None else 1)
        if sample is not None:
            pace.begin_round()
            clock.advance(sample)
            pace.end_round()
        clock.advance(train)
        pace.end()
    return pace


def test_of_the_first_step_as_much_is_left_as_has_passed() -> None:
    clock = Clock()
    pace = StepPace(clock)
    pace.begin(1)
    clock.advance(7)
    assert pace.remaining() == 7


def test_what_is_left_of_a_step_hangs_on_its_phase() -> None:
    clock = Clock()
    pace = paced(clock, 3, sample=40, train=10)
    assert pace.usual() == 50
    pace.begin(1)
    clock.advance(30)
    assert pace.remaining() == pytest.approx(20 + 5)
    pace.begin(1)
    pace.begin_round()
    clock.advance(15)  # this round was short
    pace.end_round()
    assert pace.remaining() == pytest.approx(10 + 2.5)
    pace.begin(0)  # a step that uses what was sampled before
    clock.advance(4)
    assert pace.remaining() == pytest.approx(6 + 1)


def test_a_step_that_is_late_is_taken_to_be_as_late_again() -> None:
    clock = Clock()
    pace = paced(clock, 3, sample=None, train=10)
    pace.begin()
    clock.advance(25)
    assert pace.remaining() == pytest.approx(15 + 1)


def test_one_slow_step_does_not_change_what_is_expected() -> None:
    clock = Clock()
    pace = paced(clock, 4, sample=None, train=10)
    pace.begin()
    clock.advance(500)
    pace.end()
    assert pace.usual() == 10


def test_a_save_is_guessed_by_its_bytes_until_it_was_timed() -> None:
    clock = Clock()
    saves = SaveCost(guess_save_seconds(100_000_000), clock)
    assert (saves.usual(), saves.at_most()) == (None, 3.5)
    for seconds in (1, 9, 2):
        with saves.measured():
            clock.advance(seconds)
    with contextlib.suppress(OSError), saves.measured():
        clock.advance(50)
        raise OSError
    assert (saves.usual(), saves.at_most()) == (2, 9)


@pytest.mark.parametrize(
    ("every", "save", "share", "interval"),
    [(180, None, 0.05, 180), (180, 1, 0.05, 180), (180, 30, 0.05, 570), (10, 10, 0.5, 10),
     (10, 10, 1, 10)],
)  # fmt: skip
def test_slow_saves_come_less_often(
    every: float, save: float | None, share: float, interval: float
) -> None:
    assert save_interval(every, save, share) == pytest.approx(interval)
    assert save is None or save / (save + save_interval(every, save, share)) <= share + 1e-9


def test_saves_by_steps_come_whatever_they_cost() -> None:
    config = CheckpointConfig(every_steps=4, every_seconds=10)
    due = [step for step in range(1, 13) if is_save_due(config, step, 11, 100)]
    assert due == [4, 8, 12]
    assert is_save_due(config, 1, 1901, 100)
    assert not is_save_due(CheckpointConfig(every_seconds=None), 1, 1e9, None)


def test_a_stretched_interval_is_said_with_what_causes_it() -> None:
    notice = stretch_notice(CheckpointConfig(every_seconds=180), 30)
    assert notice is not None
    assert "30.0 s to save" in notice
    assert "every 570 s, not every 180 s" in notice
    assert "checkpoint.max_save_share" in notice
    assert stretch_notice(CheckpointConfig(every_seconds=180), 1) is None
    assert stretch_notice(CheckpointConfig(every_seconds=None), 1e6) is None


@pytest.mark.parametrize(
    ("configured", "env", "seconds"),
    [(None, {}, 25), (None, {"TENYSON_GRACE_SECONDS": "120"}, 120),
     (60, {"TENYSON_GRACE_SECONDS": "120"}, 60), (60, {}, 60)],
)  # fmt: skip
def test_the_configuration_knows_the_grace_period_best(
    configured: float | None, env: dict[str, str], seconds: float
) -> None:
    assert grace_seconds(configured, env) == seconds
    assert beyond_platform(configured, env) is None


def test_a_grace_period_beyond_the_platforms_is_said() -> None:
    doubt = beyond_platform(300, {"TENYSON_GRACE_SECONDS": "120"})
    assert doubt is not None
    assert "checkpoint.grace_seconds is 300" in doubt
    assert "120 s" in doubt


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "inf"])
def test_a_grace_period_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="TENYSON_GRACE_SECONDS"):
        grace_seconds(None, {"TENYSON_GRACE_SECONDS": text})


@pytest.mark.parametrize(
    ("step", "saved", "says"),
    [(0, 0, "before the first step"), (5, 5, "its checkpoint is saved"),
     (5, 3, "newest checkpoint is checkpoint-3"), (5, 0, "newest checkpoint is none")],
)  # fmt: skip
def test_a_stopped_run_says_what_is_saved(step: int, saved: int, says: str) -> None:
    error = stopped_error("SIGTERM", step=step, total=9, saved_step=saved)
    assert says in error.message
    assert "SIGTERM" in error.message
    assert error.hint
