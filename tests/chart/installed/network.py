"""A network of the tests' own, where the machine gives one: nobody else's ports are in the way.

The chart's ports are fixed, and pods of the local node share the network of whoever starts it.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_SET_FLAGS: Final = 0x8914  # SIOCSIFFLAGS
_UP: Final = 0x1  # IFF_UP
_C: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[bool]:
    """Moves this thread, and what it starts, into a network that has a loopback device alone.

    Yields whether it did: it takes root, and elsewhere the machine's own network has to do.
    """
    with open("/proc/thread-self/ns/net", "rb") as before:
        if _C.unshare(_NEW_NETWORK):
            yield False
            return
        try:
            _start_loopback()
            yield True
        finally:
            if _C.setns(before.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "cannot go back to the machine's network")


def _start_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sh", b"lo", _UP))
