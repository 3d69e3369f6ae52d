"""Reward functions that do not return: they are ended in time, whatever they wait for."""

import asyncio
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tenyson.errors import RewardError
from tenyson.jobs.sampling._rewards import checked_rewards
from tests.telemetry.rewards import call


def count_for_ever() -> None:
    while True:
        pass


HANGING = {
    "sleeps": lambda: time.sleep(60),
    "waits": lambda: threading.Event().wait(60),
    "computes": count_for_ever,
    "backtracks": lambda: re.match(r"(x+x+)+y", "x" * 30),
}


@pytest.mark.parametrize("kind", HANGING)
def test_a_function_that_hangs_is_ended_with_its_name(kind: str) -> None:
    def hanging(**columns: Any) -> Any:
        try:
            HANGING[kind]()
        except Exception:  # noqa: BLE001 - a reward that forgives everything must not forgive this
            return [0.0] * 4

    (wrapped,) = checked_rewards([hanging], timeout_seconds=0.1)
    with pytest.raises(RewardError, match=r"'hanging' did not answer within .* = 0.1 for a batch"):
        call(wrapped)


def test_a_function_that_hangs_off_the_main_thread_is_left_behind() -> None:
    let_go = threading.Event()

    def hanging(**columns: Any) -> None:
        let_go.wait(60)

    (wrapped,) = checked_rewards([hanging], timeout_seconds=0.1)
    with pytest.raises(RewardError, match="'hanging' did not answer within"):
        on_a_thread(call)(wrapped)
    let_go.set()


def on_a_thread(function: Any) -> Any:
    def run(*arguments: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, *arguments).result()

    return run


def test_an_asynchronous_function_that_hangs_is_ended_too() -> None:
    async def hanging(**columns: Any) -> None:
        await asyncio.sleep(60)

    (wrapped,) = checked_rewards([hanging], timeout_seconds=0.05)
    with pytest.raises(RewardError, match="'hanging' did not answer within"):
        call(wrapped)


def test_an_asynchronous_function_that_blocks_is_ended_too() -> None:
    async def blocking(**columns: Any) -> list[float]:
        time.sleep(1.0)  # as requests.post would
        return [0.0] * 4

    (wrapped,) = checked_rewards([blocking], timeout_seconds=0.05)
    began = time.monotonic()
    with pytest.raises(RewardError, match="'blocking' did not answer within"):
        call(wrapped)
    assert time.monotonic() - began < 0.8


def test_asynchronous_functions_share_a_loop_from_call_to_call() -> None:
    loops = set()

    async def first(**columns: Any) -> list[float]:
        loops.add(asyncio.get_running_loop())
        return [0.0] * 4

    async def second(**columns: Any) -> list[float]:
        return await first()

    for func in checked_rewards([first, second]) * 2:
        assert call(func) == [0.0] * 4
    assert len(loops) == 1


def test_a_time_out_of_the_functions_own_is_its_error_and_not_ours() -> None:
    async def judge(**columns: Any) -> None:
        raise TimeoutError("the judge is busy")

    (wrapped,) = checked_rewards([judge], timeout_seconds=5)
    with pytest.raises(RewardError, match="'judge' raised TimeoutError: the judge is busy"):
        call(wrapped)


def test_a_function_may_set_an_alarm_of_its_own_as_parsers_of_answers_do() -> None:
    def parse(completions: list[str], **columns: Any) -> list[float]:
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(0.03)
        signal.signal(signal.SIGALRM, before)
        return [1.0] * len(completions)

    before = signal.getsignal(signal.SIGVTALRM)
    (wrapped,) = checked_rewards([parse], timeout_seconds=5)
    assert call(wrapped) == [1.0] * 4
    assert signal.getsignal(signal.SIGVTALRM) is before
