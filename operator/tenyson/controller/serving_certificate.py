"""The certificate that the progress endpoint shows now, which may change while it serves."""

import asyncio
import logging
import ssl

from cryptography import x509

from tenyson.controller import metrics
from tenyson.controller.certificates import Certificate, hosts_of
from tenyson.controller.credentials import load_pair

logger = logging.getLogger(__name__)


class ServingCertificate:
    """What a TLS server and a client of its twin replica work with.

    A new certificate counts for connections made from then on; those that are open stay.
    """

    def __init__(self) -> None:
        self.known = asyncio.Event()
        """Set once there is a certificate; no handshake succeeds before."""
        self.server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self.client_tls: ssl.SSLContext | None = None
        self.host = ""
        """A host that the certificate is good for."""
        self._current: Certificate | None = None

    @property
    def authority(self) -> str:
        """The authorities that a new pod is to trust, as PEM; empty before the first."""
        return self._current.authority if self._current is not None else ""

    def use(self, certificate: Certificate) -> None:
        """Serves a certificate from now on.

        Raises:
            ValueError: It cannot be served; the one before still is.
        """
        if certificate == self._current:
            return
        leaf, client_tls = check(certificate)
        load_pair(self.server_tls, certificate.certificate, certificate.private_key)
        self.client_tls = client_tls
        self.host = hosts_of(leaf)[0]
        metrics.CERTIFICATE_EXPIRES.set(leaf.not_valid_after_utc.timestamp())
        logger.info(
            "The progress endpoint shows a certificate for %s, good until %s",
            ", ".join(hosts_of(leaf)), f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip
        self._current = certificate
        self.known.set()


def check(certificate: Certificate) -> tuple[x509.Certificate, ssl.SSLContext]:
    """Returns the certificate as read, and the TLS settings of a client that trusts it.

    Raises:
        ValueError: Its parts cannot be read, or do not belong together.
    """
    try:
        leaf = x509.load_pem_x509_certificate(certificate.certificate)
        # On a context of its own: one that has refused a key is left with half of a pair.
        load_pair(
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate.certificate,
            certificate.private_key,
        )  # fmt: skip
        client_tls = ssl.create_default_context(cadata=certificate.authority)
    except ssl.SSLError as error:
        raise ValueError(f"the certificate cannot be served: {error.reason or error}") from error
    if not hosts_of(leaf):
        raise ValueError("the certificate names no host")
    return leaf, client_tls
