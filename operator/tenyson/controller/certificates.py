"""Certificates of the progress endpoint: how they are made, read and told apart. No I/O here."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE: Final = timedelta(days=3650)
_CLOCK_SKEW: Final = timedelta(hours=1)
"""A pod's clock may be behind ours by so much."""
_PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and the authorities that vouch for it, as PEM."""

    authority: str
    """One or several: while an authority is replaced, the old one and the new one."""
    certificate: bytes
    private_key: bytes


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def until(self) -> datetime:
        """When it ends."""
        return self.certificate.not_valid_after_utc

    @property
    def made_at(self) -> datetime:
        """When it was made."""
        return self.certificate.not_valid_before_utc + _CLOCK_SKEW

    @property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(_PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key as PEM."""
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(_PEM, form, plain).decode()

    def has_signed(self, other: "Pair") -> bool:
        """Whether this authority has signed a certificate."""
        try:
            other.certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def make(host: str) -> Certificate:
    """Returns a certificate for a host name or address, with an authority of its own.

    Both live for ten years, since nobody renews them.
    """
    now = datetime.now(UTC)
    authority = make_authority(now)
    served = sign(authority, (host,), now, AUTHORITY_LIFE)
    return Certificate(authority.pem, served.pem.encode(), served.key_pem.encode())


def make_authority(now: datetime) -> Pair:
    """Returns a new certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The old and the new one differ in name too, or a client might look at the wrong one alone.
    name = _name(f"tenyson-progress-ca-{now:%Y%m%d}-{x509.random_serial_number() % 16**6:06x}")
    certificate = (
        _builder(name, name, key, now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def sign(authority: Pair, hosts: Sequence[str], now: datetime, life: timedelta) -> Pair:
    """Returns a new server's certificate, which ends with its authority at the latest."""
    key, issuer = ec.generate_private_key(ec.SECP256R1()), authority.certificate
    until = min(now + life, authority.until)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        issuer.public_key()  # type: ignore[arg-type]
    )
    certificate = (
        _builder(_name("tenyson-progress"), issuer.subject, key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Pair(certificate, key)


def hosts_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Returns the host names and addresses that a certificate is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return *found.get_values_for_type(x509.DNSName), *addresses


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
