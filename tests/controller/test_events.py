"""Events: one per object, type and reason, and not too many about one object."""

import asyncio
from typing import Any

from tenyson.controller.announcements import Announcement
from tenyson.controller.cluster import ApiError
from tenyson.controller.events import PER_MINUTE, Announcer
from tests.controller.builders import make_job


class Server:
    """An API server that keeps Events."""

    def __init__(self) -> None:
        self.events: dict[str, Any] = {}
        self.reads = 0
        self.fails_once = False

    async def create_event(self, body: Any) -> None:
        if self.fails_once:
            self.fails_once = False
            raise KeyError("surprise")
        name = body["metadata"]["name"]
        if name in self.events:
            raise ApiError(409, "AlreadyExists", "exists")
        self.events[name] = dict(body)

    async def event_count(self, namespace: str, name: str) -> int:
        self.reads += 1
        return int(self.events[name]["count"])

    async def update_event(self, namespace: str, name: str, changes: Any) -> None:
        if name not in self.events:
            raise ApiError(404, "NotFound", "gone")
        self.events[name].update(changes)

    def seen(self) -> list[tuple[str, str, int]]:
        return [(e["reason"], e["message"], e["count"]) for e in self.events.values()]


def said(reason: str, message: str = "m", kind: str = "Normal") -> Announcement:
    return Announcement(kind, reason, message)


async def posted(announcer: Announcer) -> None:
    """Lets the announcer post all that waits."""
    task = asyncio.create_task(announcer.run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()


async def test_the_same_reason_again_is_one_event_with_a_count_and_the_last_message() -> None:
    server = Server()
    announcer = Announcer(server)
    for message in ("first", "second"):
        announcer.announce(make_job(), said("Retried", message))
        await posted(announcer)
    announcer.announce(make_job(), said("Retried", "third"))
    announcer.announce(make_job(), said("Retried", "fourth"))
    await posted(announcer)
    assert server.seen() == [("Retried", "fourth", 4)]
    assert server.reads == 0


async def test_another_type_or_another_job_is_another_event() -> None:
    server = Server()
    announcer = Announcer(server)
    announcer.announce(make_job("a"), said("R"))
    announcer.announce(make_job("b"), said("R"))
    announcer.announce(make_job("b"), said("R", kind="Warning"))
    await posted(announcer)
    assert len(server.events) == 3


async def test_a_new_leader_counts_on() -> None:
    server = Server()
    for _ in range(2):
        announcer = Announcer(server)
        announcer.announce(make_job(), said("R"))
        await posted(announcer)
    assert server.seen() == [("R", "m", 2)]


async def test_an_event_that_has_expired_begins_anew() -> None:
    server = Server()
    announcer = Announcer(server)
    announcer.announce(make_job(), said("R"))
    await posted(announcer)
    server.events.clear()
    announcer.announce(make_job(), said("R", "again"))
    await posted(announcer)
    assert [reason for reason, _, _ in server.seen()] == ["R"]


async def test_a_job_that_flaps_floods_nobody_and_hides_no_other() -> None:
    server = Server()
    announcer = Announcer(server)
    for number in range(3 * PER_MINUTE):
        announcer.announce(make_job("flapping"), said(f"R{number}"))
    announcer.announce(make_job("quiet"), said("R"))
    task = asyncio.create_task(announcer.run())
    await asyncio.sleep(0.05)
    task.cancel()
    names = [event["involvedObject"]["name"] for event in server.events.values()]
    assert (names.count("flapping"), names.count("quiet")) == (PER_MINUTE, 1)


async def test_an_event_that_cannot_be_posted_does_not_silence_the_next() -> None:
    server = Server()
    server.fails_once = True
    announcer = Announcer(server)
    announcer.announce(make_job(), said("First"))
    announcer.announce(make_job(), said("Second"))
    await posted(announcer)
    assert [reason for reason, _, _ in server.seen()] == ["Second"]
