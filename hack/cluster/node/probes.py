"""Readiness probes: whether a container that runs is also ready to be used."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

Question = Callable[[], Awaitable[bool]]
"""Asks the container once."""


class Readiness:
    """What a container's readiness probe has found; without one it is ready while it runs.

    Probes by `exec` and `grpc` count as none.

    Args:
        container: the container's spec.
        address: where its pod listens.
    """

    def __init__(self, container: Mapping[str, Any], address: str) -> None:
        self._probe: Mapping[str, Any] = container.get("readinessProbe") or {}
        self._ask = question(container, address)
        self._ready_attempt: int | None = None

    def is_ready(self, attempt: int) -> bool:
        """Whether that attempt of the container is ready, if it runs."""
        return self._ask is None or self._ready_attempt == attempt

    async def follow(self, running: Callable[[], int | None], changed: Callable[[], None]) -> None:
        """Ask again and again, until cancelled.

        Args:
            running: the number of the attempt that runs, if one does.
            changed: is called whenever the answer has changed.
        """
        if self._ask is None:
            return
        await asyncio.sleep(self._number("initialDelaySeconds", 0))
        asked, streak = -1, 0  # successes in a row, or failures below zero
        while True:
            attempt = running()
            if attempt is not None:
                passed = await self._answer(self._ask)
                same = asked == attempt and passed == (streak > 0)
                asked, streak = attempt, (streak if same else 0) + (1 if passed else -1)
                if self.decide(attempt, streak):
                    changed()
            await asyncio.sleep(self._number("periodSeconds", 10))

    def decide(self, attempt: int, streak: int) -> bool:
        """Whether the answer changes after that many successes in a row, or failures below zero."""
        was_ready = self._ready_attempt == attempt
        if not was_ready and streak >= self._number("successThreshold", 1):
            self._ready_attempt = attempt
        elif was_ready and -streak >= self._number("failureThreshold", 3):
            self._ready_attempt = None
        return was_ready != (self._ready_attempt == attempt)

    async def _answer(self, ask: Question) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(self._number("timeoutSeconds", 1)):
                return await ask()
        return False

    def _number(self, name: str, default: int) -> int:
        return int(self._probe.get(name) or default)


def question(container: Mapping[str, Any], address: str) -> Question | None:
    """What a container's readiness probe asks; None where it has none that is known here."""
    probe = container.get("readinessProbe") or {}
    if http := probe.get("httpGet"):
        scheme = str(http.get("scheme") or "HTTP").lower()
        host, port = http.get("host") or address, _port(http["port"], container)
        url = f"{scheme}://{host}:{port}/{str(http.get('path') or '/').lstrip('/')}"
        return lambda: _answers(url)
    if tcp := probe.get("tcpSocket"):
        host, port = tcp.get("host") or address, _port(tcp["port"], container)
        return lambda: _accepts(host, port)
    return None


async def _answers(url: str) -> bool:
    # As a kubelet, it does not ask who signed the certificate.
    async with (
        aiohttp.ClientSession() as http,
        http.get(url, ssl=False, allow_redirects=False) as answer,
    ):
        return 200 <= answer.status < 400


async def _accepts(host: str, port: int) -> bool:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return True


def _port(port: int | str, container: Mapping[str, Any]) -> int:
    for named in container.get("ports") or []:
        if named.get("name") == port:
            return int(named["containerPort"])
    return int(port)
