"""StopRequest: its deadline, and when it interrupts."""

import math
import threading
import time

import pytest

from tenyson.errors import StoppedError
from tenyson.jobs.preemption.watch import StopWatch
from tenyson.jobs.stop import Interruption, StopRequest, reserve_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_request_sets_a_deadline_before_the_kill() -> None:
    stop = StopRequest(grace_seconds=30, clock=Clock())
    assert stop.remaining_seconds == math.inf
    stop.make("SIGTERM")
    assert stop.remaining_seconds == 28
    assert (reserve_of(5), reserve_of(math.inf)) == (0.5, 0)
    with pytest.raises(StoppedError, match="SIGTERM"):
        stop.check()


@pytest.mark.parametrize("notice_first", [True, False])
def test_of_several_requests_the_nearest_deadline_counts(notice_first: bool) -> None:
    stop = StopRequest(grace_seconds=30, clock=Clock())
    requests = [("EC2", 120.0), ("SIGTERM", None)]
    for reason, seconds in requests if notice_first else reversed(requests):
        stop.make(reason, seconds=seconds)
    assert stop.remaining_seconds == 28
    assert stop.reason == ("EC2" if notice_first else "SIGTERM")


def test_a_second_sigterm_gives_no_more_time() -> None:
    clock = Clock()
    stop = StopRequest(grace_seconds=30, clock=clock)
    stop.make("SIGTERM")
    clock.now += 20
    stop.make("SIGTERM")
    assert stop.remaining_seconds == 8


def test_a_person_who_asks_sets_no_deadline() -> None:
    stop = StopRequest()
    stop.make("SIGINT", seconds=math.inf)
    assert stop.is_made
    assert stop.remaining_seconds == math.inf


def test_only_what_may_be_interrupted_is() -> None:
    stop = StopRequest(clock=Clock())
    stop.interrupt()
    stop.make("SIGTERM")
    stop.defer()
    stop.interrupt()
    is_inside = [False]
    stop.allow_interruption(lambda: is_inside[0])
    stop.interrupt()
    is_inside[0] = True
    with pytest.raises(Interruption, match="SIGTERM"):
        stop.interrupt()


def test_an_interruption_that_was_swallowed_comes_again_but_not_at_once() -> None:
    clock = Clock()
    stop = StopRequest(clock=clock)
    stop.make("SIGTERM")
    with pytest.raises(Interruption):
        stop.interrupt()
    stop.interrupt()  # it is on its way through `finally` blocks
    clock.now += 3
    with pytest.raises(Interruption):
        stop.interrupt()


def test_no_except_exception_swallows_an_interruption() -> None:
    assert not issubclass(Interruption, Exception)


def test_waiting_ends_with_a_request() -> None:
    stop = StopRequest()
    threading.Timer(0.1, stop.make, ("SIGTERM",)).start()
    started = time.monotonic()
    stop.wait(30)
    assert time.monotonic() - started < 10


def test_the_watch_nudges_where_an_interruption_is_due_and_calls_at_the_deadline() -> None:
    called = threading.Event()
    nudges = []
    stop = StopRequest(grace_seconds=0.6)
    stop.defer()
    watch = StopWatch(stop, nudge=lambda: nudges.append(1), last_call=called.set)
    watch.start()
    assert not called.wait(0.3)
    stop.make("SIGTERM")
    assert called.wait(10)
    assert not nudges
    stop = StopRequest(grace_seconds=60)
    watch = StopWatch(stop, nudge=called.set, last_call=lambda: None)
    called.clear()
    watch.start()
    stop.make("SIGTERM")
    assert called.wait(10)
    watch.close()
