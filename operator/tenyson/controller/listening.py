"""The door of a server: it lets no more connections in than the controller can hold.

aiohttp bounds the size of a request and the time that a connection may be idle, not how many there
are. One address gets a part of them alone, so that nobody shuts the others out.
"""

import asyncio
import ssl
from typing import Any, Final, cast

from aiohttp import web

from tenyson.controller import metrics

MOST: Final = 512
"""Connections at once. One holds some 200 KB at most, and a report is done in milliseconds."""
MOST_OF_ONE: Final = 128
"""Connections of one address, which may be that of a node for all of its pods."""
_HANDSHAKE_SECONDS: Final = 5.0


async def listen(server: web.Server, host: str, port: int, tls: ssl.SSLContext) -> asyncio.Server:
    """Returns the open socket, whose connections the server serves."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: _Door(server), host, port, ssl=tls, ssl_handshake_timeout=_HANDSHAKE_SECONDS
    )


def address_of(peer: Any) -> str:
    """Returns the host of a connection's other end, as a transport tells it."""
    return str(peer[0]) if isinstance(peer, tuple) else str(peer)


class _Door(asyncio.Protocol):
    """Hands a new connection to the server, or cuts it."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        address = address_of(connection.get_extra_info("peername"))
        there = [address_of(handler.peername) for handler in self._server.connections]
        if len(there) >= MOST or there.count(address) >= MOST_OF_ONE:
            metrics.PROGRESS_CONNECTIONS_CUT.inc()
            connection.abort()
            return
        handler = self._server()
        connection.set_protocol(handler)
        handler.connection_made(connection)
