"""Leader election by a Lease, as client-go does it: of several replicas, one makes the passes.

The clocks of two replicas are never compared. A replica counts from when *it* saw the lease change
last: if nothing changes for as long as the lease is meant to last, its holder is gone. The holder
itself gives up sooner, and its writes are fenced from that moment on:

    0 s    a renewal begins that will succeed
    10 s   no later one has: the fence is shut and the passes are stopped
    15 s   the last write let out before that has ended; only now may another replica lead
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from tenyson.controller import metrics
from tenyson.controller.answers import ApiError, Object
from tenyson.controller.fence import Fence
from tenyson.controller.lease import Candidate, claim, holder_of, released, version_of
from tenyson.controller.limiter import backoff

logger = logging.getLogger(__name__)

_RELEASE_SECONDS: Final = 3.0


Lead = Callable[[], Coroutine[Any, Any, None]]
"""The work that only the leader does; it runs until cancelled."""


class Leases(Protocol):
    """Where the lease is kept."""

    async def lease(self, namespace: str, name: str) -> Object:
        """Returns the Lease."""

    async def create_lease(self, body: Object) -> Object:
        """Returns the Lease as created."""

    async def replace_lease(self, body: Object) -> Object:
        """Returns the Lease as replaced, if nobody has changed it meanwhile."""


def own_identity(environment: Mapping[str, str] = os.environ) -> str:
    """Returns this replica's name in the lease.

    A pod's name is its own for as long as it lives, so a restarted container takes back the lease
    of the one before it at once. Elsewhere two processes may share a host, so chance decides.
    """
    return environment.get("POD_NAME") or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"


class Elector:
    """Leads whenever it may, and stands by otherwise."""

    def __init__(
        self,
        leases: Leases,
        candidate: Candidate,
        fence: Fence,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._me = candidate
        self._fence = fence
        self._clock = clock
        self._lease: Object | None = None
        self._seen_at = clock()
        self._renewed_at = float("-inf")
        self._trouble = ""
        self.is_leader = False
        fence.shut()

    @property
    def holder(self) -> str:
        """The identity that holds the lease, as far as is known here."""
        return holder_of(self._lease)

    def annotation(self, name: str) -> str:
        """Returns what the lease's holder tells about itself."""
        meta = (self._lease or {}).get("metadata") or {}
        return str((meta.get("annotations") or {}).get(name, ""))

    async def run(self, lead: Lead) -> None:
        """Runs `lead` whenever this replica leads, and cancels it at once when it may not any more.

        Returns only if `lead` does, which it never should; its errors are raised here.
        """
        try:
            while True:
                await self._acquire()
                if await self._leads_to_its_end(lead):
                    return
        except asyncio.CancelledError:
            await self._release()
            raise

    async def _acquire(self) -> None:
        began = self._clock()
        while not await self._try():
            # Up to one retry period; two replicas that start together part this way.
            await asyncio.sleep(backoff(0, base=self._me.retry_seconds, most=60.0))
        logger.info("%s leads now, after %.1f s on standby", self._me.identity,
                    self._clock() - began)  # fmt: skip

    async def _leads_to_its_end(self, lead: Lead) -> bool:
        """Returns whether it was `lead` that ended, and not the leadership."""
        self._set_leader(True)
        work = asyncio.create_task(lead())
        renewal = asyncio.create_task(self._renew_until_lost())
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            ended = work.done()
        finally:
            self._fence.shut()
            work.cancel()
            renewal.cancel()
            outcomes = await asyncio.gather(work, renewal, return_exceptions=True)
            self._set_leader(False)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if not ended:
            why = self._trouble or f"{self.holder or 'nobody'} holds the lease"
            logger.warning("%s does not lead any more and stands by: %s", self._me.identity, why)
        return ended

    def _set_leader(self, leads: bool) -> None:
        self.is_leader = leads
        metrics.LEADER.set(leads)

    async def _renew_until_lost(self) -> None:
        """Returns when the lease is lost: taken by another, or not renewed in time."""
        while (left := self._seconds_left()) > 0:
            await asyncio.sleep(min(self._me.retry_seconds, left))
            try:
                async with asyncio.timeout(self._seconds_left()):
                    await self._try()
            except TimeoutError:
                break
            if self.holder not in ("", self._me.identity):
                return
        self._trouble = self._trouble or "the lease was not renewed in time"

    def _seconds_left(self) -> float:
        """How long this replica leads without another renewal."""
        return self._renewed_at + self._me.renew_seconds - self._clock()

    async def _try(self) -> bool:
        """Returns whether the lease is ours now, taken or renewed."""
        began = self._clock()
        try:
            if not self._is_known_as_ours():
                self._see(await self._read())
                if not self._may_take():
                    return False
            self._see(await self._write(claim(self._lease, self._me, datetime.now(UTC))))
        except ApiError as error:
            self._note(error)
            return False
        self._trouble = ""
        self._renewed_at = began
        self._fence.keep_open_until(began + self._me.renew_seconds)
        return True

    def _is_known_as_ours(self) -> bool:
        """Whether a renewal may go without reading the lease first."""
        return self.is_leader and self.holder == self._me.identity

    async def _read(self) -> Object | None:
        try:
            return await self._leases.lease(self._me.namespace, self._me.name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _write(self, body: Object) -> Object:
        if "resourceVersion" in body["metadata"]:
            return await self._leases.replace_lease(body)
        return await self._leases.create_lease(body)

    def _see(self, lease: Object | None) -> None:
        if version_of(lease) != version_of(self._lease):
            self._seen_at = self._clock()
            spec = (lease or {}).get("spec") or {}
            metrics.LEADER_TRANSITIONS.set(spec.get("leaseTransitions") or 0)
        self._lease = lease

    def _may_take(self) -> bool:
        if self.holder in ("", self._me.identity):
            return True
        spec = (self._lease or {}).get("spec") or {}
        duration = max(spec.get("leaseDurationSeconds") or 0, self._me.duration_seconds)
        return self._clock() - self._seen_at >= duration

    def _note(self, error: ApiError) -> None:
        """Says once what is wrong, and has the lease read anew."""
        if error.status in (404, 409):
            # Whoever was faster holds it now; a read tells.
            self._lease = {**(self._lease or {}), "spec": {}}
            return
        if str(error) != self._trouble:
            logger.warning(
                "The lease %s/%s cannot be kept: %s", self._me.namespace, self._me.name, error
            )
        self._trouble = str(error)

    async def _release(self) -> None:
        """Gives the lease up, so that another replica need not wait for it to run out."""
        if self.holder != self._me.identity or self._lease is None:
            return
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._leases.replace_lease(released(self._lease, datetime.now(UTC)))
            logger.info("%s has given up the lease", self._me.identity)
        except (ApiError, TimeoutError) as error:
            logger.warning("The lease could not be given up and will run out: %r", error)
