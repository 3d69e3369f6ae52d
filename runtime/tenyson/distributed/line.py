"""The line between the ranks: one connection from each to rank 0, over which ends are told.

A collective of torch waits half an hour for a rank that is gone. Here a rank that ends says how,
a rank that dies is known by its closed connection at once, and one whose machine vanished by its
silence; rank 0 passes the news on. One thread a rank, no training traffic.
"""

import contextlib
import json
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

TICK_SECONDS = 1.0
"""Between two signs of life."""
LONGEST_TEXT = 2000
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Farewell:
    """How a rank ended."""

    rank: int
    exit_code: int | None
    """None for a rank that left no word."""
    text: str

    @property
    def is_well(self) -> bool:
        """Whether the rank did all that was asked of it."""
        return self.exit_code == 0


class Line:
    """One rank's end of the line; rank 0 is the hub, which all others are connected to."""

    def __init__(
        self,
        rank: int,
        size: int,
        *,
        silence_seconds: float,
    ) -> None:
        """Takes who this is, and how long a peer may be silent; `open` or `connect` begins."""
        self.rank = rank
        self.farewells: dict[int, Farewell] = {}
        """Of the ranks that have ended, as far as it is known here."""
        self._size = size
        self._silence_seconds = silence_seconds
        self._on_trouble: Callable[[Farewell], None] = lambda farewell: None
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._peers: dict[socket.socket, _Peer] = {}
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._token = ""
        self._all_here = False
        self._thread = threading.Thread(target=self._run, name="tenyson-ranks", daemon=True)

    def open(self) -> tuple[int, str]:
        """Opens the hub; returns its port and the token that the others must show."""
        self._token = secrets.token_hex(16)
        self._listener = socket.create_server(("", 0), backlog=self._size)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return int(self._listener.getsockname()[1]), self._token

    def connect(self, host: str, port: int, token: str) -> None:
        """Connects to the hub.

        Raises:
            OSError: It does not answer.
        """
        connection = socket.create_connection((host, port), timeout=10)
        self._adopt(connection, rank=0)
        self._send(connection, {"hello": self.rank, "token": token})
        self._thread.start()

    def alarm(self, on_trouble: Callable[[Farewell], None]) -> None:
        """Has every farewell that is not well told from now on, and those known already.

        The call comes on the line's own thread, which must not be kept.
        """
        self._on_trouble = on_trouble
        for farewell in self.trouble():
            on_trouble(farewell)

    def missing(self) -> list[int]:
        """Returns the ranks that have not come yet; only the hub knows of them."""
        if self._all_here or self._listener is None:
            return []
        here = {0, *self.farewells, *(peer.rank for peer in list(self._peers.values()))}
        return sorted(set(range(self._size)) - here)

    def wait_until_all_are_here(self, timeout_seconds: float) -> bool:
        """Whether every rank has come within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._all_here or self.trouble(), timeout_seconds)
            return self._all_here

    def trouble(self) -> list[Farewell]:
        """Returns the farewells that were not well."""
        return [f for f in list(self.farewells.values()) if not f.is_well]

    def wait_for_trouble(self, timeout_seconds: float) -> list[Farewell]:
        """Returns the farewells that were not well, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(self.trouble, timeout_seconds)
        return self.trouble()

    def wait_for_end_of(self, ranks: set[int], timeout_seconds: float | None) -> bool:
        """Whether these ranks have all ended within the time; None waits as long as it takes."""
        with self._changed:
            return self._changed.wait_for(lambda: ranks <= self.farewells.keys(), timeout_seconds)

    def say(self, exit_code: int, text: str = "") -> None:
        """Tells all others how this rank ended; never raises, a peer that is gone knows enough."""
        farewell = Farewell(self.rank, exit_code, text[:LONGEST_TEXT])
        for connection in list(self._peers):
            self._send(connection, {"farewell": astuple(farewell)})

    # Below: the line's own thread.

    def _run(self) -> None:
        next_sign = 0.0
        while True:
            for key, _ in self._selector.select(TICK_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(key.fileobj)  # type: ignore[arg-type]
            now = time.monotonic()
            if now >= next_sign:
                next_sign = now + TICK_SECONDS
                for connection in list(self._peers):
                    self._send(connection, {"here": self.rank})
            for connection, peer in list(self._peers.items()):
                # After reading: a process that was itself suspended has their signs waiting.
                if now - peer.last_heard > self._silence_seconds:
                    self._drop(connection, f"it has said nothing for {self._silence_seconds:g} s")

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._adopt(self._listener.accept()[0], rank=None)

    def _adopt(self, connection: socket.socket, rank: int | None) -> None:
        connection.settimeout(10)
        self._peers[connection] = _Peer(rank)
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        peer = self._peers.get(connection)
        if peer is None:
            return
        try:
            received = connection.recv(65536)
        except ConnectionResetError:  # it died with our words unread
            received = b""
        except OSError as error:
            return self._drop(connection, f"its connection broke: {error.strerror or error}")
        if not received:
            return self._drop(connection, "its process is gone")
        peer.last_heard = time.monotonic()
        *lines, peer.unread = (peer.unread + received).split(b"\n")
        try:
            if len(peer.unread) > _LONGEST_LINE:
                raise ValueError("a line without end")
            for line in lines:
                self._take(connection, peer, json.loads(line))
        except (ValueError, KeyError, TypeError):  # whoever this is, it is none of ours
            self._drop(connection, "it does not speak this line's language")

    def _take(self, connection: socket.socket, peer: "_Peer", message: dict[str, object]) -> None:
        if peer.rank is None:
            if not secrets.compare_digest(str(message["token"]), self._token):
                raise ValueError("another run's rank")
            with self._changed:
                peer.rank = int(str(message["hello"]))
                self._changed.notify_all()
            self._tell_when_all_are_here()
        elif "all here" in message:
            with self._changed:
                self._all_here = True
                self._changed.notify_all()
        elif "farewell" in message:
            self._note(Farewell(*message["farewell"]))  # type: ignore[misc]

    def _tell_when_all_are_here(self) -> None:
        if self.missing() or self.farewells:
            return
        for connection in list(self._peers):
            self._send(connection, {"all here": True})
        with self._changed:
            self._all_here = True
            self._changed.notify_all()

    def _note(self, farewell: Farewell) -> None:
        """Keeps the news, passes it on where this is the hub, and raises the alarm."""
        with self._changed:
            if farewell.rank in self.farewells:
                return
            self.farewells[farewell.rank] = farewell
            self._changed.notify_all()
        if self._listener is not None:
            for connection, peer in list(self._peers.items()):
                if peer.rank != farewell.rank or farewell.exit_code is None:
                    self._send(connection, {"farewell": astuple(farewell)})
        if not farewell.is_well:
            self._on_trouble(farewell)

    def _drop(self, connection: socket.socket, why: str) -> None:
        peer = self._peers.get(connection)
        if peer is not None and peer.rank is not None:
            self._note(Farewell(peer.rank, None, why))
        self._peers.pop(connection, None)
        self._selector.unregister(connection)
        connection.close()

    def _send(self, connection: socket.socket, message: dict[str, object]) -> None:
        line = json.dumps(message).encode() + b"\n"
        # What cannot be sent is no news here: its reader finds the connection closed.
        with self._sending, contextlib.suppress(OSError, ValueError):
            connection.sendall(line)


class _Peer:
    """The other end of a connection."""

    def __init__(self, rank: int | None) -> None:
        self.rank = rank
        """None until it has said who it is."""
        self.last_heard = time.monotonic()
        self.unread = b""
