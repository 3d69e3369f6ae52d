"""What a pass reads beside the cache, and how often."""

from collections.abc import Mapping

from tenyson.controller.cluster import ApiError
from tenyson.controller.lookups import Found, Lookups
from tenyson.controller.observed import Reference

URL = Reference("Secret", "telemetry", "url")
CONFIG = Reference("ConfigMap", "common", "config.yaml")


class Fake:
    """An API server with some Secrets and ConfigMaps, and a clock."""

    def __init__(self, **there: Mapping[str, str]) -> None:
        self.there = there
        self.reads = 0
        self.time = 0.0

    async def data(self, kind: str, namespace: str, name: str) -> Mapping[str, str]:
        self.reads += 1
        if name not in self.there:
            raise ApiError(404, "NotFound", "not found")
        return self.there[name]


async def looked_up(lookups: Lookups, reference: Reference, namespace: str = "n") -> str:
    found = Found()
    await lookups.look_up(namespace, (reference,), found)
    return found.states[reference]


def made(fake: Fake) -> Lookups:
    return Lookups(fake, lambda: fake.time)  # type: ignore[arg-type]


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
