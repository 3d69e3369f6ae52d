"""When a new certificate or a new authority is due, and what the Secret that holds them says.

A pod keeps the authorities of the moment when its attempt was made, for as long as it lives. So an
authority is followed by the next one a year before it ends, and goes on signing all the while: new
pods are given both, and those that only know the old one still trust what they are shown. The new
one signs only when the old one would not outlive another certificate, nine months later:

    year 0       A is made; pods are given A; A signs a certificate every 60 days
    year 9       B is made; pods are given A and B; A signs on
    year 9.75    A has 90 days left; the next certificate is signed by B
    year 10      A has ended and is dropped; pods are given B
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tenyson.controller.certificates import Certificate, Pair, hosts_of, make_authority, sign

SERVING_LIFE: Final = timedelta(days=90)
_OVERLAP: Final = timedelta(days=365)
"""How long before its end an authority is joined by the next one."""
FILES: Final = ("ca.crt", "tls.crt", "tls.key", "ca.key")
"""The keys of the Secret; the first three are what a server needs."""


class UnusableError(ValueError):
    """Raised when a Secret or a folder holds no certificate that can be served."""


@dataclass(frozen=True)
class Issued:
    """The authorities, oldest first, and the certificate that is served."""

    authorities: tuple[Pair, ...]
    serving: Pair

    def served(self) -> Certificate:
        """Returns what a server needs."""
        pair = self.serving
        return Certificate(self._bundle(), pair.pem.encode(), pair.key_pem.encode())

    def data(self) -> dict[str, str]:
        """Returns the texts of the Secret."""
        keys = "".join(authority.key_pem for authority in self.authorities)
        texts = (self._bundle(), self.serving.pem, self.serving.key_pem, keys)
        return dict(zip(FILES, texts, strict=True))

    def _bundle(self) -> str:
        return "".join(authority.pem for authority in self.authorities)


def read(data: Mapping[str, str]) -> Issued:
    """Returns what the texts of a Secret hold.

    Raises:
        UnusableError: Something is missing, cannot be read, or does not belong together.
    """
    if missing := [name for name in FILES if not data.get(name)]:
        raise UnusableError(f"{', '.join(missing)} is missing or empty")
    try:
        certificates = x509.load_pem_x509_certificates(data["ca.crt"].encode())
        keys = [_key(text) for text in _each_key(data["ca.key"])]
        serving = Pair(x509.load_pem_x509_certificate(data["tls.crt"].encode()),
                       _key(data["tls.key"]))  # fmt: skip
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableError(f"its PEM cannot be read: {error}") from error
    if len(certificates) != len(keys):
        raise UnusableError(
            f"there are {len(certificates)} certificates in ca.crt and {len(keys)} keys in ca.key"
        )
    authorities = tuple(map(Pair, certificates, keys))
    for pair in (*authorities, serving):
        if pair.certificate.public_key() != pair.key.public_key():
            subject = pair.certificate.subject.rfc4514_string()
            raise UnusableError(f"a key does not belong to the certificate of {subject}")
    if not any(authority.has_signed(serving) for authority in authorities):
        raise UnusableError("tls.crt is signed by no authority in ca.crt")
    return Issued(authorities, serving)


def renewed(before: Issued | None, hosts: Sequence[str], now: datetime) -> tuple[Issued, str]:
    """Returns what is to be served from now on, and why it is new; empty if it is not.

    Args:
        before: What has been served so far; None if there is nothing usable.
        hosts: The names and addresses that pods use.
        now: The time.
    """
    reasons = []
    authorities = [a for a in (before.authorities if before else ()) if a.until > now]
    if before is not None and len(authorities) < len(before.authorities):
        reasons.append("an authority has ended")
    if not authorities or authorities[-1].until - now < _OVERLAP:
        authorities.append(make_authority(now))
        reasons.append("a new authority is due")
    serving = before.serving if before is not None else None
    if why := _why_renewed(serving, authorities, hosts, now):
        signer = next((a for a in authorities if a.until - now >= SERVING_LIFE), authorities[-1])
        serving = sign(signer, hosts, now, SERVING_LIFE)
        reasons.append(why)
    assert serving is not None
    return Issued(tuple(authorities), serving), ", ".join(reasons)


def hosts_for(advertised: str) -> tuple[str, ...]:
    """Returns all names of the progress endpoint, the one that pods are told first."""
    name, _, rest = advertised.partition(".")
    namespace, _, domain = rest.partition(".")
    if domain.split(".")[0] != "svc":
        return (advertised,)
    short = f"{name}.{namespace}"
    return tuple(dict.fromkeys((advertised, f"{short}.svc", f"{short}.svc.cluster.local", short)))


def _why_renewed(
    serving: Pair | None, authorities: Sequence[Pair], hosts: Sequence[str], now: datetime
) -> str:
    if serving is None:
        return "there was no certificate"
    if serving.until <= now:
        return "the certificate has ended"
    if now - serving.made_at >= (serving.until - serving.made_at) * 2 / 3:
        return "two thirds of the certificate's life are over"
    if set(hosts_of(serving.certificate)) != set(hosts):
        return f"pods use {', '.join(hosts)} now"
    if not any(authority.has_signed(serving) for authority in authorities):
        return "its authority has ended"
    return ""


def _each_key(text: str) -> list[str]:
    end = "-----END PRIVATE KEY-----"
    return [part + end for part in text.split(end) if part.strip()]


def _key(text: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(text.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{type(key).__name__} is no key that the controller makes")
    return key
