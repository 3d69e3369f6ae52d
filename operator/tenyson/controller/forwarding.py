"""Hands the reports of pods that reached a standby to the leader, which alone writes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from tenyson.controller.serving_certificate import ServingCertificate

HEADER: Final = "Tenyson-Forwarded"
"""Says that a report has been handed on once; twice it never is."""
_SECONDS: Final = 5.0
_CONNECTIONS: Final = 16
"""To the leader, at once; reports beyond them wait for one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pod is answered."""

    code: int
    content: bytes = b"{}"
    retry_after: str = ""
    """When it may come again, as the header has it; empty where it says nothing."""


class LeaderAwayError(Exception):
    """Raised when no leader takes the report now."""


class Forwarder:
    """A connection to whichever replica leads.

    The replicas share one certificate, of the name that pods use. So the leader is reached by its
    own address, and has to show a certificate of that name.
    """

    def __init__(self, address: Callable[[], str], certificate: ServingCertificate) -> None:
        self._address = address
        self._certificate = certificate
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, path: str, authorization: str, content: bytes) -> Answer:
        """Returns the leader's answer to a report.

        Raises:
            LeaderAwayError: There is none, or it does not answer.
        """
        address = self._address()
        tls = self._certificate.client_tls
        if not address or tls is None:
            raise LeaderAwayError("no replica leads now")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=_SECONDS),
            )
        headers = {
            "Authorization": authorization,
            "Content-Type": "application/json",
            HEADER: "1",
        }
        try:
            async with self._session.post(
                address + path, data=content, headers=headers,
                ssl=tls, server_hostname=self._certificate.host,
            ) as response:  # fmt: skip
                wait = response.headers.get("Retry-After", "")
                return Answer(response.status, await response.read(), wait)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LeaderAwayError(f"the leader at {address} does not answer: {error!r}") from error

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()
