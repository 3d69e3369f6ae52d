"""Progress for a reader: a bar in a terminal, seldom lines in a log."""

import io
import re

import pytest

from tenyson.progress import Progress, StepClock
from tenyson.progress_bar import progress_display
from tenyson.progress_line import ProgressLine, duration


def test_the_time_left_is_the_pace_of_this_attempt_alone() -> None:
    times = iter([100.0, 108.0])
    clock = StepClock(50, 100, now=lambda: next(times))

    assert clock.remaining_seconds(50) is None
    assert clock.remaining_seconds(54) == 92


def test_a_log_gets_the_first_and_the_last_step_and_a_line_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine("SFT", stream=stream, now=clock)

    for step in range(1001):
        clock.seconds = step / 16  # exact in floating point
        line.update(Progress(step, 1000, {"loss": 0.25, "tokens_per_second": 1234.5}, 61.0))
    line.update(Progress(1000, 1000, {"eval_loss": 0.2}))
    line.close()

    lines = stream.getvalue().splitlines()
    steps = [int(said.split()[2].partition("/")[0]) for said in lines]
    assert steps == [0, 1, 161, 321, 481, 641, 801, 961, 1000]
    assert lines[1] == "SFT step 1/1000 (0 %) · loss 0.25 · 1.2k tok/s · ETA 1m 01s"
    assert lines[-1] == "SFT step 1000/1000 (100 %) · loss 0.25 · 1.2k tok/s"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "has_bar"), [(100, True), (40, False)])
def test_a_terminal_gets_a_bar_that_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, columns: int, has_bar: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    display = progress_display("Eval", "row", stream)

    display.update(Progress(1, 2, {}, 3.0))
    display.update(Progress(2, 2, {"tokens_per_second": 950}))
    display.close()

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    last = shown.rstrip().splitlines()[-1].rpartition("\r")[2]
    assert last.startswith("Eval")
    assert last.endswith("row 2/2 · 950 tok/s")
    assert ("━" in last) is has_bar
    assert len(last) <= columns


def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()

    progress_display("RL", "step", stream).update(Progress(1, 2, {"reward": 0.5}))

    assert stream.getvalue() == "RL step 1/2 (50 %) · reward 0.5\n"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (65, "1m 05s"), (11220, "3h 07m")])
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text
