"""A replica of the controller in a simulation: the real cache, reconciler and plan.

Its watches tell as late as a test likes, kind by kind. A pass stops before each of its requests,
so that anything may happen between any two of them: another replica's pass, or this one's death.
"""

from collections.abc import Callable, Coroutine, Generator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tenyson.controller.cache import Cache
from tenyson.controller.cluster import ApiError
from tenyson.controller.kinds import store_of
from tenyson.controller.names import Key
from tenyson.controller.observed import Child, Report
from tenyson.controller.reconciler import Reconciler
from tests.controller.builders import DEFAULTS
from tests.controller.simulation.api_server import ApiServer, Body

WATCHED = ("job", "child", "pod")
FATES = ("", "dies", "lost", "refused")
"""What may become of a request: it is answered; it is carried out, and the replica dies; it is
carried out, and its answer is lost; it never arrives."""


class DiedError(BaseException):
    """Raised where the replica dies; nothing of its code may catch that."""


class _Turn:
    """Awaited before a request goes out, so that others may go first."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Replica:
    """One process that may lead."""

    def __init__(
        self,
        server: ApiServer,
        clock: Callable[[], datetime],
        skew: timedelta = timedelta(),
    ) -> None:
        self.server = server
        self.leads = True
        self.fate = ""
        self._clock = clock
        self.skew = skew
        self.restart()

    def now(self) -> datetime:
        """Returns the time by this replica's own clock."""
        return self._clock() + self.skew

    def restart(self) -> None:
        """Starts anew: it lists everything and remembers nothing."""
        self.woken: dict[Key, None] = {}
        self.timers: dict[Key, datetime] = {}
        self.reports: dict[Key, Report] = {}
        self._pass: Coroutine[Any, Any, None] | None = None
        self._key: Key = ("", "")
        self.cache = Cache(lambda key, urgent: self.add(key), self.now)
        self.heard = dict.fromkeys(WATCHED, 0)
        self.reconciler = Reconciler(
            _Requests(self), self.cache, self, self, self.reports, lambda: DEFAULTS, self.now,
        )  # type: ignore[arg-type]  # fmt: skip
        for kind in WATCHED:
            self.list(kind)
        self.reconciler.begin()

    def lead(self) -> None:
        """Begins to make passes, the first over every job."""
        self.leads = True
        self.reports.clear()
        self.reconciler.begin()
        for key in self.cache.known("job"):
            self.add(key)

    def step_down(self) -> None:
        """Makes no pass any more; one that is under way may still end."""
        self.leads = False
        self.woken.clear()
        self.timers.clear()

    # Watches

    def hear(self, kind: str) -> bool:
        """Takes up the oldest event of a kind that it has not heard of, if there is one."""
        log = self.server.log[kind]
        if self.heard[kind] >= len(log):
            return False
        verb, body = log[self.heard[kind]]
        self.heard[kind] += 1
        store, meta = store_of(self.cache, kind), body["metadata"]
        if verb == "put":
            store.put(body)
        else:
            store.drop((meta["namespace"], meta["name"]), meta["uid"])
        return True

    def list(self, kind: str, behind: int = 0) -> None:
        """Lists a kind anew, as it was some events ago, and watches from there."""
        position = max(0, len(self.server.log[kind]) - behind)
        bodies, version = self.server.as_of(kind, position)
        store = store_of(self.cache, kind)
        known = store.known()
        for body in bodies:
            store.put(body)
        there = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in bodies}
        for at, (uid, seen) in known.items():
            if at not in there and seen <= version:
                store.drop(at, uid)
        self.heard[kind] = position

    # Passes

    @property
    def busy(self) -> bool:
        """Whether a pass is under way."""
        return self._pass is not None

    def advance(self, fate: str = "", key: Key | None = None) -> bool:
        """Goes on to the next request of a pass, or begins one; False when there is none."""
        if self._pass is None:
            if key is None:
                key = next(iter(self.woken), None)
            if key is None or not self.leads:
                return False
            self.woken.pop(key, None)
            self.timers.pop(key, None)
            self._key, self._pass = key, self.reconciler.reconcile(key)
        self.fate = fate
        try:
            self._pass.send(None)
        except StopIteration:
            self._pass = None
        except ApiError:
            self._pass = None
            self.add(self._key)
        except DiedError:
            self.restart()
        return True

    def make_pass(self, fate: str = "", key: Key | None = None) -> bool:
        """Makes one whole pass, its requests all with the same fate; False when none is due."""
        if not self.advance(key=key):
            return False
        while self.busy:
            self.advance(fate)
        return True

    # What the reconciler uses of the queue and the announcer

    has_urgent = False

    def add(self, key: Key, **_: Any) -> None:
        if self.leads:
            self.timers.pop(key, None)
            self.woken[key] = None

    def add_after(self, key: Key, seconds: float) -> None:
        if seconds <= 0:
            self.add(key)
        elif self.leads:
            due = self._clock() + timedelta(seconds=seconds)
            self.timers[key] = min(due, self.timers.get(key, due))

    def forget(self, key: Key) -> None:
        self.timers.pop(key, None)

    def announce(self, *_: Any) -> None:
        """Events are no part of the simulation."""

    def ring(self) -> None:
        """Wakes the jobs whose time has come."""
        for key in [key for key, due in self.timers.items() if due <= self._clock()]:
            self.add(key)


class _Requests:
    """The calls of `Cluster`, answered by the simulated API server."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._server = replica.server

    async def _call(self, act: Callable[[], Any], lost: ApiError | None = None) -> Any:
        await _Turn()
        fate, self._replica.fate = self._replica.fate, ""
        if fate == "refused":
            raise ApiError(500, "InternalError", "the API server is not well")
        answer = act()
        if fate == "dies":
            raise DiedError
        if fate == "lost" and lost is not None:
            # The transport has sent it again, and this is what came of that.
            raise lost
        return answer

    async def create(self, body: Body) -> Body:
        lost = ApiError(409, "AlreadyExists", "made by the first try")
        return await self._call(lambda: self._server.create(body), lost)

    async def read(self, body: Body) -> Body:
        kind = "child" if body["kind"] == "Job" else "service"
        return await self._call(lambda: self._server.read(kind, body["metadata"]["name"]))

    async def apply_status(
        self, _: str, name: str, uid: str, version: int, status: Body
    ) -> Body:  # fmt: skip
        lost = ApiError(409, "Conflict", "the first try has changed it")
        return await self._call(
            lambda: self._server.apply_status(name, uid, version, status), lost
        )  # fmt: skip

    async def child(self, _: str, name: str) -> Body:
        return await self._call(lambda: self._server.read("child", name))

    async def pods(self, _: str, labels: Body) -> list[Body]:
        def chosen() -> list[Body]:
            pods = self._server.objects["pod"].values()
            return [p for p in pods if labels.items() <= p["metadata"]["labels"].items()]

        return await self._call(chosen)

    async def delete_child(self, child: Child) -> None:
        seen = child.name, child.uid, child.resource_version
        await self._delete("child", *seen, fine=(404,))

    async def delete_job(self, _: str, name: str, uid: str) -> None:
        await self._delete("job", name, uid, fine=(404, 409))

    async def _delete(self, *args: Any, fine: tuple[int, ...]) -> None:
        try:
            await self._call(lambda: self._server.delete(*args))
        except ApiError as error:
            if error.status not in fine:
                raise

    async def data(self, *_: str) -> Mapping[str, str]:
        return await self._call(lambda: {"key": "value"})

    async def warning(self, *_: str) -> str:
        return await self._call(lambda: "exceeded quota")
