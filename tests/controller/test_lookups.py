"""What a pass reads beside the cache, and how often."""

from collections.abc import Mapping
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError
from tenyson.controller.lookups import Found, Lookups
from tenyson.controller.observed import Reference
from tests.controller.builders import child_body, gone, job_body, pod_body

URL = Reference("Secret", "telemetry", "url")
CONFIG = Reference("ConfigMap", "common", "config.yaml")


class Fake:
    """An API server with some Secrets and ConfigMaps, and a clock."""

    def __init__(self, **there: Mapping[str, str]) -> None:
        self.there = there
        self.reads = 0
        self.time = 0.0
        self.warnings: dict[str, str] = {}
        self.read_seconds = 0.0
        self.refusal = ApiError(404, "NotFound", "not found")
        self.asked: list[Mapping[str, str]] = []

    async def data(self, kind: str, namespace: str, name: str) -> Mapping[str, str]:
        self.reads += 1
        if name not in self.there:
            raise ApiError(404, "NotFound", "not found")
        return self.there[name]

    async def child(self, namespace: str, name: str) -> Any:
        if name not in self.there:
            raise self.refusal
        return self.there[name]

    async def pods(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        self.asked.append(labels)
        return [pod_body()]

    async def warning(self, namespace: str, uid: str) -> str:
        self.reads += 1
        self.time += self.read_seconds
        if uid not in self.warnings:
            raise ApiError(500, "InternalError", "try again")
        return self.warnings[uid]


async def told(lookups: Lookups, uid: str) -> str:
    found = Found()
    event = Reference("Event", "j-a0", uid)
    await lookups.look_up("n", (event,), found)
    assert found.states[event] == "found"
    return found.contents[event]


async def looked_up(lookups: Lookups, reference: Reference, namespace: str = "n") -> str:
    found = Found()
    await lookups.look_up(namespace, (reference,), found)
    return found.states[reference]


def made(fake: Fake, cache: Cache | None = None) -> Lookups:
    known = cache or Cache(lambda key, urgent: None)
    return Lookups(fake, known, lambda: fake.time)  # type: ignore[arg-type]


async def test_jobs_that_share_a_secret_read_it_once() -> None:
    fake = Fake(telemetry={"url": "…"})
    lookups = made(fake)
    assert [await looked_up(lookups, URL) for _ in range(100)] == ["found"] * 100
    assert fake.reads == 1


async def test_a_secret_is_looked_for_anew_after_a_moment() -> None:
    fake = Fake(telemetry={"url": "…"})
    lookups = made(fake)
    assert await looked_up(lookups, URL) == "found"
    fake.there, fake.time = {}, 3.0
    assert await looked_up(lookups, URL) == "no object"


async def test_what_was_there_a_moment_ago_is_known_before_a_pass_asks() -> None:
    fake = Fake(telemetry={"url": "…"})
    lookups = made(fake)
    assert lookups.lately("n") == {}
    await looked_up(lookups, URL)
    assert (lookups.lately("n"), lookups.lately("other")) == ({URL: "found"}, {})
    fake.time = 3.0
    assert lookups.lately("n") == {}


async def test_what_is_missing_is_looked_for_every_time() -> None:
    fake = Fake()
    lookups = made(fake)
    assert await looked_up(lookups, URL) == "no object"
    fake.there = {"telemetry": {"url": "…"}}
    assert await looked_up(lookups, URL) == "found"


async def test_a_secret_of_another_namespace_is_another() -> None:
    fake = Fake(telemetry={"url": "…"})
    lookups = made(fake)
    await looked_up(lookups, URL)
    await looked_up(lookups, URL, "other")
    assert fake.reads == 2


async def test_a_configmaps_text_is_read_every_time() -> None:
    fake = Fake(common={"config.yaml": "a: 1"})
    lookups = made(fake)
    await looked_up(lookups, CONFIG)
    found = Found()
    fake.there = {"common": {"config.yaml": "a: 2"}}
    await lookups.look_up("n", (CONFIG,), found)
    assert found.contents[CONFIG] == "a: 2"


def warm() -> Cache:
    """A cache that has heard of the job, and of nothing else yet."""
    cache = Cache(lambda key, urgent: None)
    cache.put_job(job_body())
    return cache


async def test_a_child_that_no_watch_has_told_of_is_found_and_remembered() -> None:
    (reference,), cache = gone(), warm()
    lookups = made(Fake(**{"j-a0": child_body()}), cache)
    assert await looked_up(lookups, reference) == "found"
    assert list(cache.known("child")) == [("n", "j-a0")]


async def test_of_a_child_that_is_gone_the_pods_are_looked_for() -> None:
    """A child that a person deletes goes at once, and its pods only when they are done."""
    (reference,), cache, fake = gone(), warm(), Fake()
    cache.put_child(child_body())
    assert await looked_up(made(fake, cache), reference) == "no object"
    assert cache.known("child") == {}
    assert list(cache.known("pod")) == [("n", "j-a0-x")]
    assert fake.asked == [{names.LABEL_RUN: names.run_id("uid-j")}]


async def test_a_child_that_may_not_be_read_does_not_count_as_gone() -> None:
    fake = Fake()
    fake.refusal = ApiError(403, "Forbidden", "no")
    (reference,) = gone()
    with pytest.raises(ApiError, match="403"):
        await looked_up(made(fake), reference)


async def test_events_are_read_seldom_and_what_they_said_is_kept() -> None:
    fake = Fake()
    fake.warnings = {"uid-1": "exceeded quota", "uid-2": "exceeded quota"}
    lookups = made(fake)
    assert [await told(lookups, "uid-1") for _ in range(100)] == ["exceeded quota"] * 100
    assert await told(lookups, "uid-2") == ""
    assert fake.reads == 1
    fake.time = 1.1
    assert await told(lookups, "uid-2") == "exceeded quota"
    assert await told(lookups, "uid-1") == "exceeded quota"


async def test_the_longer_events_take_to_read_the_more_seldom_they_are_read() -> None:
    fake = Fake()
    fake.warnings, fake.read_seconds = {"uid-1": "exceeded quota"}, 2.0
    lookups = made(fake)
    await told(lookups, "uid-1")
    fake.time += 39.0
    await told(lookups, "uid-1")
    assert fake.reads == 1
    fake.time += 2.0
    await told(lookups, "uid-1")
    assert fake.reads == 2


async def test_events_that_could_not_be_read_are_read_again() -> None:
    fake = Fake()
    lookups = made(fake)
    with pytest.raises(ApiError):
        await told(lookups, "away")
    fake.warnings, fake.time = {"away": "exceeded quota"}, 1.1
    assert await told(lookups, "away") == "exceeded quota"
