"""The work queue: each key once, one worker a key, urgent first."""

import asyncio

import pytest

from tenyson.controller.queue import BATCH_SECONDS, WorkQueue

A, B, C = ("n", "a"), ("n", "b"), ("n", "c")


async def test_a_key_asked_for_twice_is_handed_out_once() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.add(A)
    assert await queue.get() == A
    assert len(queue) == 0


async def test_urgent_keys_go_first_and_the_others_in_order() -> None:
    queue = WorkQueue()
    for key in (A, B):
        queue.add(key)
    queue.add(C, urgent=True)
    queue.add(B, urgent=True)
    assert [await queue.get() for _ in range(3)] == [C, B, A]


async def test_a_key_that_is_worked_on_waits_for_the_end_of_that() -> None:
    queue = WorkQueue()
    queue.add(A)
    key = await queue.get()
    queue.add(A)
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not second.done()
    queue.done(key)
    assert await asyncio.wait_for(second, 1) == A


async def test_the_earlier_of_two_later_wishes_counts() -> None:
    queue = WorkQueue()
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    queue.add_after(A, 30)
    assert await asyncio.wait_for(queue.get(), 1) == A


async def test_a_handful_of_news_is_one_pass() -> None:
    queue = WorkQueue()
    for _ in range(3):
        queue.add_soon(A)
    assert len(queue) == 0  # it waits for more
    assert await asyncio.wait_for(queue.get(), 5) == A
    queue.done(A)
    await asyncio.sleep(2 * BATCH_SECONDS)
    assert len(queue) == 0


async def test_news_of_a_key_that_waits_already_add_no_pass() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.add_soon(A)
    queue.done(await queue.get())
    await asyncio.sleep(2 * BATCH_SECONDS)
    assert len(queue) == 0


async def test_news_during_a_pass_lead_to_another() -> None:
    queue = WorkQueue()
    queue.add(A)
    key = await queue.get()
    queue.add_soon(A)
    queue.done(key)
    assert await asyncio.wait_for(queue.get(), 5) == A


async def test_a_wish_for_now_replaces_one_for_later() -> None:
    queue = WorkQueue()
    queue.add_after(A, 0.01)
    queue.add(A)
    queue.done(await queue.get())
    await asyncio.sleep(0.03)
    assert len(queue) == 0


async def test_failures_in_a_row_wait_ever_longer_until_a_success() -> None:
    waits: list[int] = []

    def delay(failures: int) -> float:
        waits.append(failures)
        return 0.001

    queue = WorkQueue(delay)
    for _ in range(3):
        queue.add_after_failure(A)
    queue.succeeded(A)
    queue.add_after_failure(A)
    assert waits == [0, 1, 2, 0]


async def test_the_queue_still_works_after_a_key_became_urgent() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.add(A, urgent=True)
    queue.done(await queue.get())
    queue.add(B)
    assert await asyncio.wait_for(queue.get(), 1) == B


@pytest.mark.parametrize("urgent", [True, False])
async def test_a_namespace_with_thousands_of_keys_delays_no_other(urgent: bool) -> None:
    queue = WorkQueue()
    for number in range(3000):
        queue.add(("noisy", str(number)), urgent=urgent)
    queue.add(("quiet", "j"), urgent=urgent)
    assert ("quiet", "j") in [await queue.get() for _ in range(2)]


async def test_what_is_not_urgent_gets_its_turn_while_much_is() -> None:
    queue = WorkQueue()
    queue.add(("n", "status"))
    for number in range(100):
        queue.add(("n", str(number)), urgent=True)
    assert ("n", "status") in [await queue.get() for _ in range(20)]


async def test_thousands_of_keys_are_handed_out_in_a_moment() -> None:
    """Taking the first of a plain dict again and again looks at all that was taken before."""
    queue = WorkQueue()
    for number in range(30_000):
        queue.add(("n", str(number)))
    async with asyncio.timeout(5):
        for _ in range(30_000):
            await queue.get()


async def test_the_key_that_waits_longest_is_known_and_a_second_wish_makes_it_no_younger() -> None:
    now = [0.0]
    queue = WorkQueue(clock=lambda: now[0])
    queue.add(A)
    now[0] = 5.0
    queue.add(B)
    queue.add(A, urgent=True)
    assert queue.oldest_seconds == 5.0
    queue.done(await queue.get())
    assert queue.oldest_seconds == 0.0


async def test_a_closed_queue_forgets_all_wishes_and_takes_none() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.add_after(B, 0.01)
    queue.close()
    queue.add(C)
    queue.add_after(C, 0.01)
    await asyncio.sleep(0.03)
    assert len(queue) == 0
    queue.open()
    queue.add(A)
    assert await asyncio.wait_for(queue.get(), 1) == A


async def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    queue = WorkQueue(lambda failures: 0.0)
    queue.add_after_failure(A, at_least=0.05)
    await asyncio.sleep(0.02)
    assert len(queue) == 0
    assert await asyncio.wait_for(queue.get(), 1) == A
