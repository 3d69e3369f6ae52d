"""Checks the tokens that pods report with, offline, by the cluster's own public keys."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

from tenyson.contract import PROGRESS_AUDIENCE

_ALGORITHMS: Final = ["RS256", "ES256", "ES384", "ES512", "RS384", "RS512"]
_REFRESH_SECONDS: Final = 10.0
"""Least time between two readings of the keys, whatever tokens arrive."""
_LEEWAY_SECONDS: Final = 10.0
_REMEMBERED: Final = 8192
"""Tokens that were found good and need no second look; a pod has one for an hour."""

Keys = Callable[[], Awaitable[tuple[str, dict[str, Any]]]]
"""Reads the issuer and its keys."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who holds a token."""

    namespace: str
    pod_uid: str


class TokenRefusedError(Exception):
    """Raised when a token does not show that its bearer is a pod of this cluster."""


class KeysUnavailableError(Exception):
    """Raised when the cluster's keys cannot be read, so that no token can be judged."""


class TokenVerifier:
    """Verifies projected service account tokens of our audience."""

    def __init__(self, read_keys: Keys) -> None:
        self._read_keys = read_keys
        self._issuer = ""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._good: OrderedDict[bytes, tuple[Bearer, float]] = OrderedDict()

    def remembered(self, token: str) -> Bearer | None:
        """Returns who holds a token that was verified before and has not expired since."""
        bearer, expires = self._good.get(_digest(token), (None, 0.0))
        return bearer if time.time() < expires else None

    async def verify(self, token: str) -> Bearer:
        """Returns the pod that holds the token.

        Raises:
            TokenRefusedError: Signature, issuer, audience or expiry is wrong, or no pod holds it.
            KeysUnavailableError: The keys are needed and cannot be read now.
        """
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid", ""))
            claims = jwt.decode(
                token,
                key.key,
                algorithms=_ALGORITHMS,
                audience=PROGRESS_AUDIENCE,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError(str(error)) from error
        bound = claims.get("kubernetes.io") or {}
        pod = bound.get("pod") or {}
        if not pod.get("uid"):
            raise TokenRefusedError("the token is bound to no pod")
        bearer = Bearer(namespace=bound.get("namespace", ""), pod_uid=pod["uid"])
        self._good[_digest(token)] = bearer, float(claims["exp"])
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return bearer

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys and time.monotonic() - self._read_at > _REFRESH_SECONDS:
            await self._refresh()
        if kid not in self._keys:
            raise TokenRefusedError("the token is signed by no key of this cluster")
        return self._keys[kid]

    async def _refresh(self) -> None:
        """Reads the keys; pods that push at once share one reading, and its failure."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        reading = self._reading
        try:
            # One pod that hangs up must not end the reading for the others.
            await asyncio.shield(reading)
        finally:
            if reading.done() and self._reading is reading:
                self._reading = None

    async def _read(self) -> None:
        try:
            issuer, found = await self._read_keys()
            keys = {k["kid"]: jwt.PyJWK(k) for k in found["keys"] if "kid" in k}
        except Exception as error:
            raise KeysUnavailableError(str(error)) from error
        self._issuer, self._keys = issuer, keys
        self._read_at = time.monotonic()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
