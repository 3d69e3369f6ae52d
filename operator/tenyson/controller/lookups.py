"""Reads the objects that a pass asks for and that no watch brings: Secrets, ConfigMaps, Events.

Also what a watch ought to have brought, where a decision hangs on its being up to date.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tenyson.controller import names
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.observed import Child, Reference
from tenyson.controller.reading import read_child

_SEEN_SECONDS: Final = 2.0
"""How long a Secret that was there counts as there: a burst of jobs reads the one that they share
every two seconds instead of a hundred times a second. What is missing is always looked for anew."""
_EVENTS_PAUSE_SECONDS: Final = 1.0
_EVENTS_PAUSE_FACTOR: Final = 20
"""Events are not cached by the API server: to find those about one object it reads all of the
namespace. With 600 jobs whose pods were slow to come that was most of its work, so one such read
follows another after twenty times as long as it took, and after a second at least."""
_TOLD_MOST: Final = 1000


@dataclass
class Found:
    """What was found, by reference."""

    states: dict[Reference, str] = field(default_factory=dict)
    """found, no object, no key or forbidden."""
    contents: dict[Reference, str] = field(default_factory=dict)
    """Texts of ConfigMaps' keys, and of Events."""


class Lookups:
    """Reads what a pass asks for, and a Secret that many jobs share only once in a while."""

    def __init__(
        self, cluster: Cluster, cache: Cache, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._seen: dict[str, dict[Reference, float]] = {}
        """When each key of a Secret was last there, by namespace."""
        self._told: dict[tuple[str, Reference], str] = {}
        self._events_from = 0.0

    def lately(self, namespace: str) -> dict[Reference, str]:
        """Returns the keys of Secrets that count as there, each as `found`."""
        oldest = self._clock() - _SEEN_SECONDS
        seen = {at: when for at, when in self._seen.pop(namespace, {}).items() if when >= oldest}
        if seen:
            self._seen[namespace] = seen
        return dict.fromkeys(seen, "found")

    async def look_up(
        self, namespace: str, references: tuple[Reference, ...], found: Found
    ) -> None:
        """Adds what is there to `found`, each object read once.

        Raises:
            ApiError: Something could not be read for another reason than that it is not there.
        """
        found.states |= self.lately(namespace)
        asked = [reference for reference in references if reference not in found.states]
        for kind, name in {(reference.kind, reference.name) for reference in asked}:
            wanted = [r for r in asked if (r.kind, r.name) == (kind, name)]
            try:
                await self._read(namespace, kind, name, wanted, found)
            except ApiError as error:
                if kind == "Job" or error.status not in (403, 404):
                    raise
                state = "forbidden" if error.status == 403 else "no object"
                found.states |= dict.fromkeys(wanted, state)

    async def _read(
        self, namespace: str, kind: str, name: str, wanted: list[Reference], found: Found
    ) -> None:
        if kind == "Job":
            await self._read_attempt(namespace, name, wanted[0], found)
            return
        if kind == "Event":
            for reference in wanted:
                found.contents[reference] = await self._warning(namespace, reference)
                found.states[reference] = "found"
            return
        _take(await self._cluster.data(kind, namespace, name), wanted, found)
        if kind == "Secret":
            there = dict.fromkeys((r for r in wanted if found.states[r] == "found"), self._clock())
            self._seen.setdefault(namespace, {}).update(there)

    async def _warning(self, namespace: str, reference: Reference) -> str:
        """Returns what a warning says about an object; what it said last, if it is too soon."""
        at, began = (namespace, reference), self._clock()
        if began < self._events_from:
            return self._told.get(at, "")
        self._events_from = math.inf  # one at a time
        try:
            text = await self._cluster.warning(namespace, reference.key)
        finally:
            now = self._clock()
            pause = max(_EVENTS_PAUSE_SECONDS, _EVENTS_PAUSE_FACTOR * (now - began))
            self._events_from = now + pause
        self._told.pop(at, None)
        self._told[at] = text
        if len(self._told) > _TOLD_MOST:
            del self._told[next(iter(self._told))]
        return text

    async def _read_attempt(
        self, namespace: str, name: str, reference: Reference, found: Found
    ) -> None:
        """Takes up a child and, where it is gone, the pods of its run that may still be there."""
        found.states[reference] = "found"
        if await self.child_now(namespace, name) is None:
            found.states[reference] = "no object"
            for pod in await self._cluster.pods(namespace, {names.LABEL_RUN: reference.key}):
                self._cache.put_pod(pod)

    async def child_now(self, namespace: str, name: str) -> Child | None:
        """Returns a child as it is, whatever the watches have told, and lets the cache know it.

        Raises:
            ApiError: It could not be read.
        """
        try:
            body = await self._cluster.child(namespace, name)
        except ApiError as error:
            if error.status != 404:
                raise
            self._cache.drop_child((namespace, name))
            return None
        self._cache.put_child(body)
        return read_child(body)


def _take(data: Mapping[str, str], wanted: list[Reference], found: Found) -> None:
    for reference in wanted:
        found.states[reference] = "found" if reference.key in data else "no key"
        if reference.kind == "ConfigMap" and reference.key in data:
            found.contents[reference] = data[reference.key]
