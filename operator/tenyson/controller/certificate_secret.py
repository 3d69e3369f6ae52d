"""The certificate in a Secret that all replicas read, and the leader makes and renews.

What is served here outlives its Secret: one that was deleted or broken by hand is written again as
it was, so that running pods, which know its authority, can still report.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from tenyson.controller.answers import ApiError, NotLeaderError
from tenyson.controller.logs import Seldom
from tenyson.controller.observed import Object
from tenyson.controller.rotation import FILES, Issued, UnusableError, read, renewed
from tenyson.controller.serving_certificate import ServingCertificate

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 10.0
_COMPLAIN_EVERY_SECONDS: Final = 60.0
_OURS: Final = {
    "app.kubernetes.io/managed-by": "tenyson-controller",
    "app.kubernetes.io/component": "progress-certificate",
}


class Secrets(Protocol):
    """Where the Secret is kept."""

    async def read(self, body: Object) -> Object:
        """Returns the object of the same kind, namespace and name."""

    async def create(self, body: Object) -> Object:
        """Returns an object as created."""

    async def replace(self, body: Object) -> Object:
        """Returns an object as replaced, if nobody has changed it meanwhile."""


class ForeignSecretError(Exception):
    """Raised when the Secret is somebody else's, so that it must not be overwritten."""


class SecretCertificate:
    """Serves what the Secret holds; on the leader, also keeps it good.

    Args:
        secrets: Where the Secret is kept; writes are refused unless this replica leads.
        namespace: Namespace of the Secret.
        name: Its name.
        hosts: The names and addresses that pods use.
        serving: What is served.
        leads: Whether this replica leads.
        look_seconds: Time between two looks at the Secret.
        now: The clock.
    """

    def __init__(
        self,
        secrets: Secrets,
        namespace: str,
        name: str,
        hosts: Sequence[str],
        serving: ServingCertificate,
        leads: Callable[[], bool],
        *,
        look_seconds: float = _LOOK_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secrets = secrets
        self._name = name
        self._namespace = namespace
        self._hosts = tuple(hosts)
        self._serving = serving
        self._leads = leads
        self._look_seconds = look_seconds
        self._now = now
        self._issued: Issued | None = None
        self._wake = asyncio.Event()
        self._complaints = Seldom(_COMPLAIN_EVERY_SECONDS)

    def look_now(self) -> None:
        """Has the Secret looked at without waiting for its time."""
        self._wake.set()

    async def run(self) -> None:
        """Works until cancelled; no trouble ends it."""
        while True:
            self._wake.clear()
            try:
                await self._look()
            except NotLeaderError:
                pass  # Another leads by now, and does it.
            except (ApiError, ForeignSecretError) as error:
                self._complain(error)
            except Exception:  # Whatever lies in the Secret must not end this.
                logger.exception("The certificate in Secret %s/%s: this is a bug",
                                 self._namespace, self._name)  # fmt: skip
            await self._pause()

    def _complain(self, error: ApiError | ForeignSecretError) -> None:
        said = str(error)
        if isinstance(error, ApiError):
            if error.status == 409:
                return  # Somebody else was faster, and the next look shows what they wrote.
            if error.reason == "Unreadable":
                said = "the answer cannot be read"  # Half of a Secret belongs in no log.
        if self._complaints.is_due(said):
            logger.warning("The certificate in Secret %s/%s cannot be kept: %s",
                           self._namespace, self._name, said)  # fmt: skip

    async def _pause(self) -> None:
        # Until the first certificate is there pods cannot report, and on the leader nothing begins.
        seconds = self._look_seconds if self._serving.known.is_set() else self._look_seconds / 10
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        secret = await self._found()
        held = self._usable(secret)
        if self._leads():
            base = held or self._issued
            issued, why = renewed(base, self._hosts, self._now())
            if held is None or why:
                await self._write(secret, issued)
                was_harmed = held is None and self._issued is not None
                logger.log(
                    logging.WARNING if was_harmed else logging.INFO,
                    "The certificate in Secret %s/%s was written: %s",
                    self._namespace, self._name, why or "it was gone or broken, and is as before",
                )  # fmt: skip
            held = issued
        if held is not None:
            self._serving.use(held.served())
            self._issued = held

    async def _found(self) -> Object | None:
        try:
            return await self._secrets.read(self._body())
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _usable(self, secret: Object | None) -> Issued | None:
        """Returns what a Secret holds; None where that is to be made, or made anew.

        Raises:
            ForeignSecretError: The Secret is not one that a controller has made.
        """
        if secret is None:
            return None
        labels = secret["metadata"].get("labels") or {}
        if any(labels.get(name) != value for name, value in _OURS.items()):
            raise ForeignSecretError(
                "it exists and was not made by a controller. Give TENYSON_PROGRESS_CERT_SECRET "
                "another name, or delete it; a certificate of your own goes into "
                "TENYSON_PROGRESS_CERT_DIR."
            )
        try:
            return read(_texts(secret))
        except UnusableError as error:
            if self._complaints.is_due(str(error)):
                doing = "it is replaced" if self._leads() else "the leader will replace it"
                logger.warning("Secret %s/%s holds no certificate that can be served; %s: %s",
                               self._namespace, self._name, doing, error)  # fmt: skip
            return None

    async def _write(self, secret: Object | None, issued: Issued) -> None:
        texts = issued.data()
        data = {name: base64.b64encode(texts[name].encode()).decode() for name in FILES}
        body = {**(secret or self._body()), "data": data}
        if secret is None:
            await self._secrets.create(body)
        else:
            await self._secrets.replace(body)

    def _body(self) -> Object:
        meta = {"name": self._name, "namespace": self._namespace, "labels": _OURS}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls"}


def _texts(secret: Object) -> dict[str, str]:
    """Returns the Secret's texts.

    Raises:
        UnusableError: One of them is no text.
    """
    try:
        data = secret.get("data") or {}
        return {name: base64.b64decode(data.get(name) or "").decode() for name in FILES}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnusableError(f"it holds no text: {error}") from error
