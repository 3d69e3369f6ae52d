"""What a pass does when a write is refused."""

from typing import Any

import pytest

from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError
from tenyson.controller.queue import WorkQueue
from tenyson.controller.reconciler import Reconciler
from tests.controller.builders import DEFAULTS, NOW, child_body, condition, job_body

KEY = ("n", "j")


class Fake:
    """An API server that has one Job, and the announcer beside it."""

    def __init__(self, child: Any) -> None:
        self.there = child
        self.job = job_body("j")
        self.statuses: list[Any] = []
        self.events: list[str] = []

    async def create(self, body: Any) -> Any:
        if self.there is not None:
            raise ApiError(409, "AlreadyExists", "exists")
        return body

    async def read(self, _: Any) -> Any:
        return self.there

    async def apply_status(self, *args: Any) -> Any:
        self.statuses.append(args[-1])
        meta = {**self.job["metadata"], "resourceVersion": str(len(self.statuses) + 1)}
        return {**self.job, "metadata": meta, "status": args[-1]}

    def announce(self, job: Any, said: Any) -> None:
        self.events.append(said.reason)


def started(fake: Any) -> tuple[Reconciler, Cache]:
    cache = Cache(lambda key, urgent: None)
    cache.put_job(fake.job)
    return Reconciler(fake, cache, WorkQueue(), fake, {}, lambda: DEFAULTS, lambda: NOW), cache


async def test_a_job_made_by_hand_under_the_childs_name_shows_and_is_not_taken_up() -> None:
    by_hand = child_body(labels={}, ownerReferences=[])
    fake = Fake(by_hand)
    reconciler, cache = started(fake)
    for _ in range(3):
        with pytest.raises(ApiError, match="409"):
            await reconciler.reconcile(KEY)
    assert [condition(s, "Running")["reason"] for s in fake.statuses] == ["NameTaken"]
    assert fake.events == ["NameTaken"]
    assert cache.known("child") == {}


async def test_a_child_whose_making_was_not_answered_is_taken_up() -> None:
    fake = Fake(child_body())
    reconciler, cache = started(fake)
    await reconciler.reconcile(KEY)
    assert list(cache.known("child")) == [("n", "j-a0")]
    assert condition(fake.statuses[-1], "Running")["reason"] == "Starting"
